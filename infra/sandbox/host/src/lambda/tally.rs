//! Counters of a pool: processes, invocations and deliberate faults.

use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    /// Adds one and returns the new number.
    pub(super) fn one(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) invocations: Tally,
    pub(super) spawned: Tally,
    pub(super) killed: Tally,
    pub(super) killed_before: Tally,
    pub(super) killed_after: Tally,
}
