//! The items that an erasure finds in the table.

use std::time::Duration;

use shared::domain::OwnerId;
use shared::domain::erasure::ErasureStage;
use shared::store::UnfinishedErasure;

use super::World;
use crate::Sabotage;
use crate::choice::Fault;
use crate::functions::Job;
use crate::io::put_of;
use crate::store::{ERASED_MAX, Key, Place, Write};
use crate::task::Task;

/// The time after which an index shows a row.
const INDEX_LAG: Duration = Duration::from_secs(5);
impl World {
    /// The keys of the items that an erasure may delete next. A fault means that the index does not show the newest
    /// rows yet.
    pub(super) fn erasable(&self, task: &Task, owner: &OwnerId, place: Place, fault: Option<Fault>) -> Vec<Key> {
        if self.skips_sweep(task) {
            return Vec::new();
        }
        let shown = self.now.minus(INDEX_LAG);
        let is_shown = |key: &Key| fault.is_none() || self.row_times.get(key).is_none_or(|at| *at < shown);
        let mut keys = self.store.erasable(owner, place);
        keys.retain(is_shown);
        keys.truncate(ERASED_MAX);
        keys
    }

    /// Whether a sabotage hides everything from the second sweep.
    pub(super) fn skips_sweep(&self, task: &Task) -> bool {
        self.sabotage == Some(Sabotage::SecondSweepSkipped) && self.sweeps_again(task)
    }

    /// Whether a function makes the second sweep of an erasure.
    pub(crate) fn sweeps_again(&self, task: &Task) -> bool {
        let Job::AccountWork(work) = &task.job else {
            return false;
        };
        let job = work
            .erasure()
            .and_then(|erasure| self.store.get(&Key::Erasure(erasure)));
        job.is_some_and(|item| item.erasure().is_some_and(|job| job.stage == ErasureStage::Second))
    }

    /// Notes when rows outside the persons' partitions are written.
    pub(super) fn note_rows(&mut self, writes: &[Write]) {
        let rows = writes
            .iter()
            .filter(|write| put_of(&write.effect).is_some_and(|item| item.row_owner().is_some()));
        self.row_times.extend(rows.map(|row| (row.key.clone(), self.now)));
    }

    /// The unfinished erasures.
    pub(super) fn unfinished_erasures(&self) -> Vec<UnfinishedErasure> {
        let jobs = self.store.erasures();
        let due = jobs.filter_map(|job| Some((job, job.due_at?)));
        due.map(|(job, due_at)| UnfinishedErasure {
            id: job.id,
            requested_at: job.requested_at,
            due_at,
        })
        .collect()
    }
}
