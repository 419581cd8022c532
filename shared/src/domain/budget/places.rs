//! Places: what keeps the limit, whenever calls are made.

use std::time::Duration;

use super::{TRAVEL, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// Most places there are: they are attributes of one item.
const COUNT_MAX: u32 = 100;

/// As many places as calls fit into a window. A call takes a free one and holds it for a window and `TRAVEL`.
///
/// Two calls that take the same place are decided more than 60 s and `TRAVEL` apart, so they arrive more than 60 s
/// apart: of each place a window holds one call at most. Nobody is refused who could be let through, and after a quiet
/// minute all places are free at once: two persons who come in the same second both get theirs, which slots at equal
/// distances could not give them.
///
/// Where more calls fit than there may be places, a place is held for that much less: `k` calls of it fit into a window
/// if they are more than `1 / k` of it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    count: u32,
    hold: Duration,
}

impl Places {
    /// The places that keep a limit of calls per minute.
    #[must_use]
    pub fn new(limit: u32, timing: Timing) -> Self {
        let calls = usable(limit);
        let each = calls.div_ceil(COUNT_MAX);
        let count = calls / each;
        let span = millis(timing.of(WINDOW + TRAVEL));
        Self {
            count,
            hold: Duration::from_millis(span / u64::from(each) + 1),
        }
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How long a call holds its place.
    #[must_use]
    pub const fn hold(&self) -> Duration {
        self.hold
    }

    /// The free places, when `held` says until when each is held: a place that is not named was never taken.
    #[must_use]
    pub fn free(&self, held: &[Option<Time>], now: Time) -> Vec<u32> {
        let until = |place: u32| {
            usize::try_from(place)
                .ok()
                .and_then(|place| held.get(place).copied().flatten())
        };
        (0..self.count)
            .filter(|place| until(*place).is_none_or(|until| until <= now))
            .collect()
    }

    /// When the next place is free; now, if one is.
    #[must_use]
    pub fn free_at(&self, held: &[Option<Time>], now: Time) -> Time {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        if !self.free(held, now).is_empty() {
            return now;
        }
        held.iter().take(count).copied().flatten().min().unwrap_or(now)
    }

    /// When a call that can wait tries again: at a time drawn from the half of a hold after a place is free, so that
    /// those who wait neither come at once nor are served in an order that keeps one of them out.
    #[must_use]
    pub fn retry_at(&self, held: &[Option<Time>], now: Time, draw: u64) -> Time {
        let spread = (millis(self.hold) / 2).max(1);
        self.free_at(held, now).plus(Duration::from_millis(1 + draw % spread))
    }
}
