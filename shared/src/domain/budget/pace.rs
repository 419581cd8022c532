//! Plans starts of network queries in slots.

use std::time::Duration;

use super::{TRAVEL, WINDOW, millis, usable};
use crate::domain::{Time, Timing};

/// How late after its slot a call may be made and still find a free place. A call is late because SQS delays by whole
/// seconds, and because a function may have to start.
const JITTER: Duration = Duration::from_secs(2);
/// Time between the last slot for a new pull and the end of its AAL2 session. A start that is late, or gets another
/// slot, can then still be made.
const ACCEPT_MARGIN: Duration = Duration::from_secs(20);
/// Time between the last slot for a start that is planned again and the end of its AAL2 session.
const START_MARGIN: Duration = Duration::from_secs(5);

/// Plans calls at equal distances. The table stores one time, `next`: the next free time of the plan. A call that takes
/// this time moves `next` on by [`Pace::spacing`]. A planned time is never in the past.
///
/// Let `n` be nine tenths of the limit and `a` a tenth of `n`. A call may be made up to `a` spacings before its planned
/// time, so that the first few calls after a quiet time do not wait. A call planned for `v` is made in
/// `[v - a * spacing, v + JITTER]` and then takes up to `TRAVEL` to arrive. Planned times are at least one spacing
/// apart. A window thus holds at most `(60 s + JITTER + TRAVEL) / spacing + a + 1` calls, rounded down.
///
/// The spacing is the least whole number of milliseconds for which a window holds at most `n` calls. A call that is
/// made in time thus finds a free place (see [`super::Places`]). In the long run, the plan allows `60 / 64 * (n - a)`
/// calls a minute, more than 80 % of `n`. Here 64 s is the window with `JITTER` and `TRAVEL`.
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

    /// Time from one planned time to the next.
    #[must_use]
    pub const fn spacing(&self) -> Duration {
        self.spacing
    }

    fn early(&self) -> Duration {
        self.spacing * self.ahead
    }

    /// The earliest time, not before `now`, for the call that is planned for `next`.
    #[must_use]
    pub fn slot(&self, next: Time, now: Time) -> Time {
        next.minus(self.early()).max(now)
    }

    /// The planned time of a call whose slot is in the future.
    #[must_use]
    pub fn planned_for(&self, slot: Time) -> Time {
        slot.plus(self.early())
    }

    /// The latest slot for a new pull whose AAL2 session can be used until `end`.
    #[must_use]
    pub fn latest_to_accept(&self, end: Time) -> Time {
        end.minus(self.timing.of(ACCEPT_MARGIN))
    }

    /// The latest slot for a start that is planned again, if its AAL2 session can be used until `end`.
    #[must_use]
    pub fn latest_to_start(&self, end: Time) -> Time {
        end.minus(self.timing.of(START_MARGIN))
    }

    /// When to ask for a slot again. The next free planned time was `next`, and the call can be made until `latest`.
    #[must_use]
    pub fn retry_at(&self, next: Time, now: Time, latest: Time) -> Time {
        let last = self.planned_for(latest);
        // If `next` is early enough, the request failed because other processes took earlier times first. It can soon
        // be repeated.
        now.plus(if next > last { last.until(next) } else { self.spacing })
    }
}
