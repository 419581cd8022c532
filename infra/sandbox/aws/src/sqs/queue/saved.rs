//! The saved form of a queue.

use super::{Entry, Queue};
use crate::sqs::pace::Pace;
use crate::sqs::settings::Settings;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The queue's schedule is not saved, because it is derived from the entries.
#[derive(Deserialize)]
pub(super) struct Saved {
    settings: Settings,
    created_at_ms: u64,
    modified_at_ms: u64,
    entries: BTreeMap<u64, Entry>,
    #[serde(rename = "places")]
    last_number: u64,
    receives: u64,
}

impl From<Saved> for Queue {
    fn from(saved: Saved) -> Queue {
        Queue {
            settings: saved.settings,
            created_at_ms: saved.created_at_ms,
            modified_at_ms: saved.modified_at_ms,
            schedule: saved
                .entries
                .iter()
                .map(|(number, entry)| (entry.visible_at_ms, *number))
                .collect(),
            entries: saved.entries,
            last_number: saved.last_number,
            receives: saved.receives,
            purged_at_ms: None,
            pace: Pace::default(),
        }
    }
}
