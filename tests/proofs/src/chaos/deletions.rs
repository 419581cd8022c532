//! Counts what an erasure deletes, independently of it: by what is stored before and after each deleting call of
//! `account-work`.

use std::collections::BTreeMap;

use sandbox_aws::StoredFiles;
use sandbox_machine::Sandbox;
use shared::domain::erasure::Deleted;
use shared::domain::retention::kind_of;
use tokio::sync::Mutex;

use crate::table::{PersonItems, read_key};

/// The function that erases.
pub(super) const ERASER: &str = "account-work";
/// Items of a person's partition that stay.
const STAYING: [&str; 2] = ["PERSON", "SHARES"];
/// The call with which a sweep begins. Earlier calls end open work, and what they delete is not counted.
const SWEEP: &str = "ListMultipartUploads";
/// Calls that delete.
const DELETES: [&str; 3] = ["TransactWriteItems", "DeleteObject", "AbortMultipartUpload"];
const OBJECT: &str = "object";
const UPLOAD: &str = "upload";

/// The deletions of one person's erasure.
pub(super) struct Deletions {
    items: PersonItems,
    files: StoredFiles,
    state: Mutex<State>,
}

/// Everything that an erasure would delete: sizes by kind and name.
type Census = BTreeMap<(&'static str, String), u64>;

#[derive(Default)]
struct State {
    /// Calls that have not ended. The end of a call whose caller was killed may be missing.
    open: usize,
    sweeping: bool,
    last: Census,
    deleted: Deleted,
}

impl Deletions {
    pub(super) fn new(sandbox: &Sandbox, items: PersonItems) -> Self {
        Self {
            items,
            files: sandbox.aws().stored_files(),
            state: Mutex::default(),
        }
    }

    /// Notes that a call of the eraser begins, or that it has had its effect.
    pub(super) async fn note(&self, operation: &str, begins: bool) {
        let sweeps = operation == SWEEP;
        if !sweeps && !DELETES.contains(&operation) {
            return;
        }
        let mut state = self.state.lock().await;
        if sweeps && !state.sweeping {
            *state = State {
                sweeping: true,
                ..State::default()
            };
        }
        // After an error, a later call compares.
        if let Ok(census) = self.census().await {
            state.compare(census);
        }
        state.open = if begins {
            state.open + 1
        } else {
            state.open.saturating_sub(1)
        };
    }

    /// The counts so far.
    pub(super) async fn counts(&self) -> Deleted {
        self.state.lock().await.deleted.clone()
    }

    async fn census(&self) -> Result<Census, String> {
        let items = self.items.read().await?;
        let keys = items
            .iter()
            .filter_map(read_key)
            .filter(|(_, sk)| !STAYING.contains(&sk.as_str()));
        let kind = |pk: &str, sk: &str| kind_of(pk, sk).map_or("another kind", |kind| kind.keys);
        let mut census: Census = keys
            .map(|(pk, sk)| ((kind(&pk, &sk), format!("{pk} {sk}")), 0))
            .collect();
        for file in self.files.list().map_err(|error| error.to_string())? {
            if file.name.starts_with("ias-recordsbucket/") {
                census.insert((OBJECT, file.name), file.bytes);
            } else if file.name.starts_with(".upload-") {
                census.insert((UPLOAD, file.name), 0);
            }
        }
        Ok(census)
    }
}

impl State {
    /// Counts what is gone since the last comparison, if a call was open.
    fn compare(&mut self, census: Census) {
        let gone = self.last.iter().filter(|(entry, _)| !census.contains_key(*entry));
        for ((kind, _), bytes) in gone.filter(|_| self.open > 0) {
            match *kind {
                OBJECT => self.deleted.objects += 1,
                UPLOAD => self.deleted.uploads += 1,
                kind => *self.deleted.items.entry(kind.to_owned()).or_default() += 1,
            }
            self.deleted.bytes += bytes;
        }
        self.last = census;
    }
}
