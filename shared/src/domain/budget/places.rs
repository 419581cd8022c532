//! Places: what keeps the limit, whenever calls are made.

use std::time::Duration;

use super::{Allowance, Budget, TRAVEL, WINDOW, millis, usable};
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
    budget: Budget,
    count: u32,
    each: u32,
    hold: Duration,
}

impl Places {
    /// The places that keep a limit of calls per minute.
    #[must_use]
    pub fn new(budget: Budget, limit: u32, timing: Timing) -> Self {
        let calls = usable(limit);
        let each = calls.div_ceil(COUNT_MAX);
        let count = calls / each;
        let span = millis(timing.of(WINDOW + TRAVEL));
        Self {
            budget,
            count,
            each,
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

    /// How the budget stands, and when a place is free.
    #[must_use]
    pub fn allowance(&self, held: &[Option<Time>], now: Time) -> (Allowance, Time) {
        let left = self.free(held, now).len();
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        let ends = held.iter().take(count).copied().flatten().filter(|until| *until > now);
        let next = ends.min().unwrap_or(now);
        let allowance = Allowance {
            budget: self.budget,
            quota: self.count * self.each,
            window: self.hold * self.each,
            left: u32::try_from(left).unwrap_or(u32::MAX),
            reset: now.until(next),
        };
        (allowance, next)
    }
}
