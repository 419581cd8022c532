//! Time and randomness: the one place that reads the clock, waits and makes ids.
//!
//! Due times, deadlines, locks and the five minutes of an AAL2 session follow the function's own clock, which AWS sets.
//! If the clocks of two functions differ, only the length of a wait changes, because a claim compares stored versions
//! and not times.

use std::time::Duration;

use uuid::Uuid;

use crate::domain::{PullId, RecordId, Time, Timing};
use crate::ports::{Clock, NewIds, Pause};

/// Now, in milliseconds.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
pub fn now() -> Time {
    Time::from_millis(jiff::Timestamp::now().as_millisecond())
}

/// A new UUIDv7.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}

/// A random UUID (version 4): 122 random bits.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "the one place that makes random values")]
pub fn new_secret() -> Uuid {
    Uuid::new_v4()
}

/// The clock of the machine, with a deployment's timing.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    /// All durations.
    pub timing: Timing,
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        now()
    }

    fn timing(&self) -> Timing {
        self.timing
    }
}

impl Pause for SystemClock {
    async fn pause(&self, span: Duration) {
        tokio::time::sleep(span).await;
    }
}

impl NewIds for SystemClock {
    fn new_record(&self, _run: PullId, _version: u64) -> RecordId {
        RecordId::new(new_id())
    }
}
