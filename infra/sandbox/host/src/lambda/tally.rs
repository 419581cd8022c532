//! What a pool counts: processes, invocations, and what was done to them on purpose.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub(super) struct Tally(AtomicU64);

impl Tally {
    /// Counts one more; gives its number, from 1.
    pub(super) fn one(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// All numbers of one pool.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) invocations: Tally,
    pub(super) spawned: Tally,
    pub(super) killed: Tally,
    pub(super) killed_before: Tally,
    pub(super) killed_after: Tally,
}
