//! Plans starts of network queries in slots.

use std::time::Duration;

use super::{TRAVEL, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// How late after its slot a call may be without disturbing others: SQS delays by whole seconds, and a function may
/// have to start.
const JITTER: Duration = Duration::from_secs(2);
/// How long before the end of a session the last start may be planned. A start that comes late, or gets another slot,
/// can then still be made.
const ACCEPT_MARGIN: Duration = Duration::from_secs(20);
/// The same for a start that is planned again.
const START_MARGIN: Duration = Duration::from_secs(5);

/// The distances between calls. One stored time, `next`, is the next turn. Taking a turn moves `next` on by
/// [`Pace::spacing`], and a turn never lies in the past.
///
/// Let `n` be nine tenths of the limit and `a` a tenth of `n`. A turn may be taken up to `a` spacings before its time,
/// so that the first few calls after a quiet time do not wait. A call with turn `v` is made in
/// `[v - a * spacing, v + JITTER]` and then takes up to `TRAVEL` to arrive. Turns are at least one spacing apart. A
/// window thus holds at most `(60 s + JITTER + TRAVEL) / spacing + a + 1` calls, rounded down. The spacing is the least
/// whole number of milliseconds that makes this at most `n`. A call that comes in time thus finds a free place (see
/// [`super::Places`]). In the long run `60 / 64 * (n - a)` calls a minute get through, more than 80 % of `n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    spacing: Duration,
    ahead: u32,
    timing: Timing,
}

impl Pace {
    /// The pace for a limit of calls per minute.
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

    /// Time from one turn to the next.
    #[must_use]
    pub const fn spacing(&self) -> Duration {
        self.spacing
    }

    fn early(&self) -> Duration {
        self.spacing * self.ahead
    }

    /// When the call with turn `next` may be made.
    #[must_use]
    pub fn slot(&self, next: Time, now: Time) -> Time {
        next.minus(self.early()).max(now)
    }

    /// The turn of a slot that lies ahead.
    #[must_use]
    pub fn turn_of(&self, slot: Time) -> Time {
        slot.plus(self.early())
    }

    /// The latest slot for accepting a pull whose session can be used until `end`.
    #[must_use]
    pub fn latest_to_accept(&self, end: Time) -> Time {
        end.minus(self.timing.of(ACCEPT_MARGIN))
    }

    /// The latest slot for a start that is planned again.
    #[must_use]
    pub fn latest_to_start(&self, end: Time) -> Time {
        end.minus(self.timing.of(START_MARGIN))
    }

    /// When to ask again, for a caller that can wait until `latest` and found `next` as the next turn.
    #[must_use]
    pub fn retry_at(&self, next: Time, now: Time, latest: Time) -> Time {
        let last = self.turn_of(latest);
        // If `next` is early enough, other callers only took turns first, so the caller may ask again soon.
        now.plus(if next > last { last.until(next) } else { self.spacing })
    }
}
