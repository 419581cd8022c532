//! Places keep calls within the limit, even if a call is made late.

use std::time::Duration;

use super::{TRAVEL, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// Maximum number of places, because all places are attributes of one item in the table.
const COUNT_MAX: u32 = 100;

/// There are as many places as calls fit into a window. A call takes a free place and holds it for a window and
/// `TRAVEL`.
///
/// The decisions for two calls in one place are more than 60 s and `TRAVEL` apart. The calls therefore arrive more than
/// 60 s apart, and a window holds at most one call of each place. A call that the limit allows is not refused. After a
/// quiet minute all places are free, so two persons who call in the same second both get one. With slots at equal
/// distances, one of them would wait.
///
/// If more calls fit into a window than there may be places, each place serves `k` calls in a window. A hold then lasts
/// `1 / k` of a window and `TRAVEL`. At most `k` calls with this distance fit into a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    count: u32,
    hold: Duration,
}

impl Places {
    /// The places for a limit of calls per minute.
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

    /// The number of places.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// How long a call holds its place.
    #[must_use]
    pub const fn hold(&self) -> Duration {
        self.hold
    }

    /// The free places. `held` has the end of each hold; a place without an entry was never taken.
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

    /// When the next place is free; `now` if one is.
    #[must_use]
    pub fn free_at(&self, held: &[Option<Time>], now: Time) -> Time {
        let count = usize::try_from(self.count).unwrap_or(usize::MAX);
        if !self.free(held, now).is_empty() {
            return now;
        }
        held.iter().take(count).copied().flatten().min().unwrap_or(now)
    }

    /// When a call that can wait retries: at a random time within half a hold after a place becomes free. Waiting calls
    /// thus do not all retry at once, and the same call is not always last.
    #[must_use]
    pub fn retry_at(&self, held: &[Option<Time>], now: Time, draw: u64) -> Time {
        let spread = (millis(self.hold) / 2).max(1);
        self.free_at(held, now).plus(Duration::from_millis(1 + draw % spread))
    }
}
