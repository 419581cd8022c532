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
    places: u64,
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
                .map(|(place, entry)| (entry.visible_at_ms, *place))
                .collect(),
            entries: saved.entries,
            places: saved.places,
            receives: saved.receives,
            purged_at_ms: None,
            pace: Pace::default(),
        }
    }
}
