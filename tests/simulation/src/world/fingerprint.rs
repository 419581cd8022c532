//! Tells worlds apart, so that the exhaustive search visits each one once.

use serde::Serialize;

use super::World;
use crate::io::Reply;
use crate::task::Task;

impl World {
    /// A number that two worlds share if they are the same but for the names of things and what led there.
    pub(crate) fn fingerprint(&self) -> u128 {
        let mut hash = Fingerprint::new();
        hash.add(&(self.now, self.skew, &self.ghost, &self.upstream, &self.told));
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
        for reply in &self.log {
            match reply {
                Reply::Item(Ok(item)) => hash.add(&item.as_deref()),
                Reply::Now(now) => hash.add(now),
                Reply::Overdue(due) => hash.add(due),
                Reply::Followed(content) => hash.add(content),
                // What these hold has a readable form, ids of persons aside, and those stand in the job.
                other => hash.add(&format!("{other:?}")),
            }
        }
        hash.0
    }
}

/// FNV-1a over the JSON of what is added; 128 bits, so that of some million worlds no two are taken for one.
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
