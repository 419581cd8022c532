//! Places keep the limit, whenever calls are made.

use std::time::Duration;

use super::{TRAVEL, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// Maximum number of places, because all are attributes of one item.
const COUNT_MAX: u32 = 100;

/// As many places as calls fit into a window. A call takes a free one and holds it for a window and `TRAVEL`.
///
/// Two calls in one place are decided more than 60 s and `TRAVEL` apart, so they arrive more than 60 s apart. A window
/// therefore holds at most one call of each place. A call that the limit allows is not refused. After a quiet minute
/// all places are free, so two persons who come in the same second both get one. Slots at equal distances could not
/// give that.
///
/// If more calls fit than there may be places, holds are shorter. `k` calls of one place fit into a window if they are
/// more than `1 / k` of a window apart.
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

    /// When a call that can wait tries again: at a random time within half a hold after a place becomes free. Waiting
    /// calls thus do not come all at once, and no call always comes last.
    #[must_use]
    pub fn retry_at(&self, held: &[Option<Time>], now: Time, draw: u64) -> Time {
        let spread = (millis(self.hold) / 2).max(1);
        self.free_at(held, now).plus(Duration::from_millis(1 + draw % spread))
    }
}
