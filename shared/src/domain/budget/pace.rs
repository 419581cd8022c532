//! Slots for starts of network queries: when each is planned.

use std::time::Duration;

use super::{TRAVEL, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// How late a call may be after its slot without getting into the way of others: SQS delays whole seconds, and a
/// function may have to start.
const JITTER: Duration = Duration::from_secs(2);
/// How long before the end of a session's life the last start may be planned: one that is late, or displaced by one
/// that was, still has its chance.
const ACCEPT_MARGIN: Duration = Duration::from_secs(20);
/// The same for a start that is planned anew.
const START_MARGIN: Duration = Duration::from_secs(5);

/// How calls follow each other. One stored time, `next`, says whose turn it is: taking a turn moves it on by
/// [`Pace::spacing`], and never lets it be in the past.
///
/// Let `n` be nine tenths of the limit, and `a` a tenth of that. A turn may be taken up to `a` spacings before its
/// time, so that a few who come after a quiet time need not wait. A call whose turn is `v` is made in
/// `[v - a * spacing, v + JITTER]` and then takes up to `TRAVEL` to arrive; turns are at least one spacing apart. So a
/// window of 60 s holds at most `(60 s + JITTER + TRAVEL) / spacing + a + 1` calls, rounded down, and the spacing is
/// the least whole number of milliseconds that makes this at most `n`: whoever comes in time finds a free place (see
/// [`super::Places`]). In the long run `60 / 64 * (n - a)` calls a minute get through, more than 80 % of `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    spacing: Duration,
    ahead: u32,
    timing: Timing,
}

impl Pace {
    /// The pace that keeps a limit of calls per minute.
    #[must_use]
    pub fn new(limit: u32, timing: Timing) -> Self {
        let calls = usable(limit);
        let ahead = calls / 10;
        let span = millis(timing.of(WINDOW + JITTER + TRAVEL));
        Self {
            spacing: Duration::from_millis(span / u64::from(calls - ahead) + 1),
            ahead,
            timing,
        }
    }

    /// From one turn to the next.
    #[must_use]
    pub const fn spacing(&self) -> Duration {
        self.spacing
    }

    fn early(&self) -> Duration {
        self.spacing * self.ahead
    }

    /// When the call may be made whose turn is `next`.
    #[must_use]
    pub fn slot(&self, next: Time, now: Time) -> Time {
        next.minus(self.early()).max(now)
    }

    /// The turn whose slot is `slot`, if it lies ahead.
    #[must_use]
    pub fn turn_of(&self, slot: Time) -> Time {
        slot.plus(self.early())
    }

    /// The latest slot a pull is accepted with whose session is of use until `end`.
    #[must_use]
    pub fn latest_to_accept(&self, end: Time) -> Time {
        end.minus(self.timing.of(ACCEPT_MARGIN))
    }

    /// The latest slot that a start takes which is planned anew.
    #[must_use]
    pub fn latest_to_start(&self, end: Time) -> Time {
        end.minus(self.timing.of(START_MARGIN))
    }

    /// When asking again makes sense for one who can wait until `latest` and found that it is the turn of `next`.
    #[must_use]
    pub fn retry_at(&self, next: Time, now: Time, latest: Time) -> Time {
        let last = self.turn_of(latest);
        // While there is room, others were quicker again and again: that is over at once.
        now.plus(if next > last { last.until(next) } else { self.spacing })
    }
}
