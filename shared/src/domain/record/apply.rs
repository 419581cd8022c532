//! How an event changes a record.

use super::{ATTEMPTS_MAX, Delivery, QueryStatus, Record, RecordChange, RecordEvent, RecordReason, RecordState};
use crate::domain::run::Deferral;
use crate::domain::{Time, Timing, UpstreamRequestId};

impl Record {
    /// Applies an event. `None` when it changes nothing.
    #[must_use]
    pub fn apply(&self, event: &RecordEvent, now: Time, timing: Timing) -> Option<RecordChange> {
        let mut next = self.clone();
        let known = next.request.clone();
        next.take(event, now, timing);
        if next == *self {
            return None;
        }
        if next.state != RecordState::Fetching {
            next.due_at = next.due_at.map(|due_at| due_at.min(next.latest()));
        }
        if next.state != RecordState::Waiting {
            next.start_at = None;
        }
        if next.state.is_terminal() {
            next.due_at = None;
            next.ended_at = Some(now);
        }
        if next.due_at != self.due_at || next.state != self.state {
            next.due_seq += 1;
        }
        next.version += 1;
        let binds = next.request.clone().filter(|request| known.as_ref() != Some(request));
        let (held, holds) = (self.state.holds_lock(), next.state.holds_lock());
        Some(RecordChange {
            record: next,
            binds,
            locks: !held && holds,
            unlocks: held && !holds,
        })
    }

    fn take(&mut self, event: &RecordEvent, now: Time, timing: Timing) {
        use RecordState::{Fetching, Offered, Processing, Starting, Waiting};
        match (self.state, event) {
            (Waiting, RecordEvent::Claimed) => self.claim(now, timing),
            (Waiting, RecordEvent::LockBusy) => {
                self.due_at = Some(now.plus(timing.lock_retry(self.created_at.until(now))));
            }
            (Starting, RecordEvent::Started(request)) => self.started(request, now, timing),
            (Starting, RecordEvent::StartDeferred(cause, until)) => {
                // It certainly had no effect, so it does not count; the record's own deadline bounds these.
                self.attempts = self.attempts.saturating_sub(1);
                self.start_at = (*cause == Deferral::Budget).then_some(*until);
                self.wait(*until);
            }
            (Starting, RecordEvent::StartUnknown) => self.start_again(now, timing),
            (Starting | Processing, RecordEvent::AttemptOver) => self.again(now, timing),
            (Starting, RecordEvent::StartRefused) => self.fail(RecordReason::UpstreamRefused),
            (Processing, RecordEvent::Polled(status)) => self.polled(*status, now, timing),
            (Starting | Processing, RecordEvent::Delivered(delivery, request)) => {
                self.delivered(*delivery, request.as_ref(), now, timing);
            }
            (Offered, RecordEvent::FetchClaimed) => {
                self.state = Fetching;
                self.due_at = Some(now.plus(timing.transfer()));
            }
            (Offered | Fetching, RecordEvent::FetchBroken) => self.again(now, timing),
            (Fetching, RecordEvent::FetchRefused(reason)) => self.fail(*reason),
            (Fetching, RecordEvent::Stored(object)) => {
                self.state = RecordState::Available;
                self.object = Some(object.clone());
            }
            (Waiting | Starting | Processing | Offered | Fetching, RecordEvent::DeadlinePassed) => {
                self.fail(RecordReason::Expired);
            }
            _ => {}
        }
    }

    /// The latest time at which somebody must look again: no wait outlives the attempt or the record, but for a
    /// transfer.
    fn latest(&self) -> Time {
        let attempting = matches!(self.state, RecordState::Starting | RecordState::Processing);
        let attempt = self.attempt_until.filter(|_| attempting);
        attempt.map_or(self.expires_at, |until| until.min(self.expires_at))
    }

    fn claim(&mut self, now: Time, timing: Timing) {
        self.state = RecordState::Starting;
        self.request = None;
        self.attempts += 1;
        self.attempt_until = Some(now.plus(timing.consolidated_life()));
        self.polls = 0;
        self.delivery_overdue = false;
        // A start without a result is found again after this pause and repeated.
        self.due_at = Some(now.plus(timing.delivery_grace(1)));
    }

    fn started(&mut self, request: &UpstreamRequestId, now: Time, timing: Timing) {
        self.state = RecordState::Processing;
        self.request = Some(request.clone());
        self.polls = 0;
        self.due_at = Some(now.plus(timing.poll_gap(0)));
    }

    /// The query may run, and would overwrite the file of whoever took the lock next: it is kept, and the same start is
    /// sent again, which returns the query that runs.
    fn start_again(&mut self, now: Time, timing: Timing) {
        self.polls += 1;
        self.due_at = Some(now.plus(timing.poll_gap(self.polls)));
    }

    fn polled(&mut self, status: QueryStatus, now: Time, timing: Timing) {
        match status {
            QueryStatus::Failed => self.fail(RecordReason::ConversionFailed),
            QueryStatus::Completed => {
                self.delivery_overdue = true;
                self.due_at = Some(now.plus(timing.delivery_grace(self.attempts)));
            }
            QueryStatus::Processing => {
                self.polls += 1;
                self.due_at = Some(now.plus(timing.poll_gap(self.polls)));
            }
        }
    }

    fn delivered(&mut self, delivery: Delivery, request: Option<&UpstreamRequestId>, now: Time, timing: Timing) {
        if self.request.is_none() {
            self.request = request.cloned();
        }
        match delivery {
            Delivery::Failure => self.fail(RecordReason::ConversionFailed),
            Delivery::Nothing => self.state = RecordState::Empty,
            Delivery::Link => {
                self.state = RecordState::Offered;
                // Links die after three minutes; one that was not followed by then is not waited for.
                self.due_at = Some(now.plus(timing.link_life()));
            }
        }
    }

    fn wait(&mut self, until: Time) {
        self.state = RecordState::Waiting;
        self.due_at = Some(until);
    }

    /// One more consolidated query, after a pause; or none, when there were enough.
    fn again(&mut self, now: Time, timing: Timing) {
        if self.attempts >= ATTEMPTS_MAX {
            self.fail(RecordReason::AttemptsExhausted);
        } else {
            self.wait(now.plus(timing.attempt_gap(self.attempts)));
        }
    }

    fn fail(&mut self, reason: RecordReason) {
        self.state = RecordState::Failed;
        self.reason = Some(reason);
    }
}
