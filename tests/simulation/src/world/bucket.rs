//! The bucket of records: objects, and the uploads that a crash leaves unfinished.

use std::collections::BTreeMap;

use serde::Serialize;
use shared::domain::erasure::BucketEntry;
use shared::domain::{OwnerId, RecordId};
use shared::message::Link;

use super::World;
use crate::choice::Fault;
use crate::functions::Job;
use crate::io::{Op, Reply};
use crate::rules;
use crate::task::Task;

/// The id of every unfinished upload; a key has at most one.
const UPLOAD: &str = "upload";
/// Maximum number of entries that one list shows. The real bucket lists a hundred.
const LISTED_MAX: usize = 4;

/// A person's record in the bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Object {
    pub(crate) owner: OwnerId,
    pub(crate) record: RecordId,
}

#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Bucket {
    objects: BTreeMap<String, Object>,
    uploads: BTreeMap<String, Object>,
}

impl Bucket {
    /// All objects and uploads.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&String, &Object)> {
        self.objects.iter().chain(&self.uploads)
    }

    /// Unfinished uploads whose keys begin with `prefix`, and otherwise such objects.
    fn list(&self, prefix: &str) -> Vec<BucketEntry> {
        let is_listed = |key: &&String| key.starts_with(prefix);
        let uploads = self.uploads.keys().filter(is_listed);
        let uploads: Vec<_> = uploads.map(|key| entry(key, true)).take(LISTED_MAX).collect();
        if !uploads.is_empty() {
            return uploads;
        }
        let objects = self.objects.keys().filter(is_listed);
        objects.map(|key| entry(key, false)).take(LISTED_MAX).collect()
    }

    fn of_entry(&self, of: &BucketEntry) -> Option<&Object> {
        match &of.upload {
            Some(_) => self.uploads.get(&of.key),
            None => self.objects.get(&of.key),
        }
    }

    fn delete(&mut self, of: &BucketEntry) {
        match &of.upload {
            Some(_) => self.uploads.remove(&of.key),
            None => self.objects.remove(&of.key),
        };
    }
}

fn entry(key: &str, upload: bool) -> BucketEntry {
    BucketEntry {
        key: key.to_owned(),
        upload: upload.then(|| UPLOAD.to_owned()),
        bytes: u64::from(!upload),
    }
}

/// The object that a transfer makes; `None` if the function does not transfer a record.
fn object_of(task: &Task) -> Option<Object> {
    match &task.job {
        Job::Fetch(fetch) => Some(Object {
            owner: fetch.owner.clone(),
            record: fetch.record,
        }),
        _ => None,
    }
}

impl World {
    /// Transfers a file. A transfer without an answer may have stored the file.
    pub(super) fn transfer(&mut self, task: &Task, link: &Link, key: String, fault: Option<Fault>) -> Reply {
        let content = self.upstream.follow(link, self.now);
        if let Some(object) = object_of(task).filter(|_| content.is_some() && fault != Some(Fault::Lost)) {
            let violation = rules::erasure::judge_object(self, &object);
            self.judge(violation);
            self.bucket.objects.insert(key, object);
        }
        Reply::Transferred(content.filter(|_| fault.is_none()))
    }

    /// Leaves the upload of a transfer that its function did not finish.
    pub(super) fn leave_upload(&mut self, task: &Task) {
        if let (Op::Transfer(_, key), Some(object)) = (&task.pending, object_of(task)) {
            self.bucket.uploads.insert(key.clone(), object);
        }
    }

    /// The entries that an erasure asks for.
    pub(super) fn entries(&self, task: &Task, prefix: &str, fault: Option<Fault>) -> Reply {
        Reply::Entries(match fault {
            Some(_) => None,
            None if self.skips_sweep(task) => Some(Vec::new()),
            None => Some(self.bucket.list(prefix)),
        })
    }

    pub(super) fn erase_entry(&mut self, task: &Task, entry: &BucketEntry, fault: Option<Fault>) -> Reply {
        if fault != Some(Fault::Lost) {
            let violation = self
                .bucket
                .of_entry(entry)
                .and_then(|object| rules::erasure::judge_object_deletion(self, task, object));
            self.judge(violation);
            if self.sweeps_again(task) {
                self.count("second sweep deletes an object");
            }
            self.bucket.delete(entry);
        }
        Reply::Erased(fault.is_none())
    }
}
