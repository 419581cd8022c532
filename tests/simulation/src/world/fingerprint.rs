//! Fingerprints of worlds, so that the exhaustive search visits each world once.

use serde::Serialize;

use super::World;
use crate::io::Reply;
use crate::task::Task;

impl World {
    /// Equal for worlds that differ only in message numbers, in counters, in the times of rows and in the path that led
    /// to them. Only a fault that the search does not choose depends on the times of rows.
    pub(crate) fn fingerprint(&self) -> u128 {
        let mut hash = Fingerprint::new();
        hash.add(&(self.now, self.skew, &self.facts, &self.upstream, &self.known_challenges));
        hash.add(&self.bucket);
        for (key, item) in self.store.iter() {
            hash.add(&(key, item));
        }
        let mut messages: Vec<u128> = self.messages.iter().map(|message| Fingerprint::of(&message)).collect();
        messages.sort_unstable();
        let mut tasks: Vec<u128> = self.tasks.iter().map(Task::fingerprint).collect();
        tasks.sort_unstable();
        hash.add(&(messages, tasks));
        hash.0
    }
}

impl Task {
    fn fingerprint(&self) -> u128 {
        let mut hash = Fingerprint::new();
        hash.add(&(&self.job, self.until, self.fresh, self.known, self.message.is_some()));
        hash.add(&self.since);
        for reply in &self.log {
            match reply {
                Reply::Item(Ok(item)) => hash.add(&item.as_deref()),
                Reply::Listed(Ok(items)) => items.iter().for_each(|item| hash.add(item.as_ref())),
                Reply::Now(now) => hash.add(now),
                Reply::Overdue(due) => hash.add(due),
                Reply::Transferred(content) => hash.add(content),
                Reply::Keys(Ok(keys)) => hash.add(keys),
                Reply::Entries(entries) => hash.add(entries),
                // In these replies, `Debug` hides only the ids of persons, and the job contains those ids.
                other => hash.add(&format!("{other:?}")),
            }
        }
        hash.0
    }
}

/// FNV-1a over the JSON of the added values; 128 bits, so that some million worlds do not collide.
struct Fingerprint(u128);

impl Fingerprint {
    const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn of(value: &impl Serialize) -> u128 {
        let mut hash = Self::new();
        hash.add(value);
        hash.0
    }

    fn add(&mut self, value: &impl Serialize) {
        if serde_json::to_writer(&mut *self, value).is_err() {
            unreachable!("everything here is JSON");
        }
    }
}

impl std::io::Write for Fingerprint {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
