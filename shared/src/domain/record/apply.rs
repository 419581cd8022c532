//! How an event changes a record.

use super::{ATTEMPTS_MAX, Record, RecordChange, RecordDelivery, RecordEvent, RecordReason, RecordState};
use crate::domain::{Time, Timing, UpstreamRequestId};

impl Record {
    /// Applies an event. `None` if it changes nothing.
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
        if next.state.is_terminal() {
            next.due_at = None;
            next.ended_at = Some(now);
        }
        // Messages about the former due work become stale.
        if next.due_at != self.due_at || next.state != self.state {
            next.due_seq += 1;
        }
        next.version += 1;
        let binds = next.request.clone().filter(|request| known.as_ref() != Some(request));
        let (held, holds) = (self.state.holds_lock(), next.state.holds_lock());
        // The last query may still run. The lock is therefore not released, but expires later.
        let may_run = matches!(self.state, RecordState::Starting | RecordState::Processing);
        let ends = matches!(event, RecordEvent::DeadlinePassed | RecordEvent::ConsentWithdrawn);
        let withdrawn = *event == RecordEvent::ConsentWithdrawn;
        Some(RecordChange {
            record: next,
            binds,
            locks: !held && holds,
            unlocks: held && !holds && !(ends && may_run),
            shortens: (withdrawn && may_run).then(|| self.query_until(now, timing)),
            calls: matches!(
                event,
                RecordEvent::Claimed | RecordEvent::Repeated | RecordEvent::FetchClaimed
            ),
        })
    }

    fn take(&mut self, event: &RecordEvent, now: Time, timing: Timing) {
        use RecordState::{Fetching, Offered, Processing, Starting, Waiting};
        match (self.state, event) {
            (Waiting, RecordEvent::Claimed) => self.claim(now, timing),
            (Waiting, RecordEvent::LockBusy) => {
                self.due_at = Some(now.plus(timing.lock_retry(self.created_at.until(now))));
            }
            (Starting | Processing, RecordEvent::Repeated) => self.repeat(now, timing),
            (Starting, RecordEvent::Started(request)) => self.started(request, now, timing),
            (Starting, RecordEvent::StartDeferred(until)) => {
                self.not_started();
                if self.state == Starting && self.unanswered == 0 {
                    // No query runs, so the lock is released and the attempt is not counted. The record's own deadline
                    // limits the number of deferrals. A waiting record does not hold a place of the rate budget.
                    self.attempts = self.attempts.saturating_sub(1);
                    self.state = Waiting;
                }
                self.due_at = Some(*until);
            }
            (Starting, RecordEvent::StartUnknown) => self.unknown(now, timing),
            (Starting, RecordEvent::StartRefused) => {
                self.not_started();
                if self.state == Starting && self.unanswered == 0 {
                    self.fail(RecordReason::UpstreamRefused);
                } else {
                    // An earlier start may have begun a query. The record waits for the delivery of that query.
                    self.await_delivery(now, timing);
                }
            }
            (Starting | Processing, RecordEvent::AttemptOver) => self.again(now, timing),
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
            (Waiting | Starting | Processing | Offered | Fetching, RecordEvent::ConsentWithdrawn) => {
                self.fail(RecordReason::ConsentWithdrawn);
            }
            _ => {}
        }
    }

    /// The latest time for the next step: the end of the record's life, or of its attempt if that is earlier. The
    /// caller does not apply it to a transfer.
    fn latest(&self) -> Time {
        let attempting = matches!(self.state, RecordState::Starting | RecordState::Processing);
        let attempt = self.attempt_until.filter(|_| attempting);
        attempt.map_or(self.expires_at, |until| until.min(self.expires_at))
    }

    /// The time until which a consolidated query of this record may run. A start without an answer may still begin a
    /// query.
    fn query_until(&self, now: Time, timing: Timing) -> Time {
        let latest = now.plus(timing.consolidated_life());
        let until = self.attempt_until.filter(|_| self.state == RecordState::Processing);
        until.unwrap_or(latest).min(self.lock_until(timing))
    }

    fn claim(&mut self, now: Time, timing: Timing) {
        self.state = RecordState::Starting;
        self.request = None;
        self.attempts += 1;
        self.attempt_until = Some(now.plus(timing.consolidated_life()));
        self.looks = 0;
        self.unheard = self.unheard.saturating_add(self.unanswered);
        // Counted before the call, so that after a crash the record shows an unanswered start.
        self.unanswered = 1;
        // After this pause, a start without an answer is due again and is repeated.
        self.due_at = Some(now.plus(timing.delivery_wait(1)));
    }

    /// Notes that the start is sent again. The caller writes this before the call, so that after a crash the record
    /// shows that another query may have begun.
    fn repeat(&mut self, now: Time, timing: Timing) {
        if self.state == RecordState::Starting && self.request.is_some() {
            // The previous repeated start got no answer.
            self.unknown(now, timing);
        }
        self.state = RecordState::Starting;
        self.looks += 1;
        self.unanswered += 1;
        self.due_at = Some(now.plus(timing.delivery_wait(1)));
    }

    /// Applies Metriport's answer: the id of a new query, or of the query that already runs.
    fn started(&mut self, request: &UpstreamRequestId, now: Time, timing: Timing) {
        let before = self.request.replace(request.clone());
        let news = before.as_ref() != Some(request);
        if news {
            self.attempt_until = Some(now.plus(timing.consolidated_life()));
            self.looks = 0;
        }
        if news && before.is_some() {
            // Another id: the previous query ended without a delivery.
            self.attempts = (self.attempts + 1).min(ATTEMPTS_MAX);
        }
        // Each earlier start without an answer may have begun a query that has ended. The delivery of that query may
        // come late, and must not count as the delivery of a later start.
        self.unheard = self.unheard.saturating_add(self.unanswered.saturating_sub(1));
        self.unanswered = 0;
        self.state = RecordState::Processing;
        self.await_delivery(now, timing);
    }

    /// Takes back a start that certainly had no effect.
    fn not_started(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
        if self.request.is_some() {
            self.state = RecordState::Processing;
        }
    }

    /// Handles a start without an answer. The start may have begun a query, which would overwrite the file of the
    /// patient's next record. The lock is therefore kept for as long as that query may take. Until then, the same start
    /// is sent again; if the query runs, Metriport returns it.
    fn unknown(&mut self, now: Time, timing: Timing) {
        self.request = None;
        self.attempt_until = Some(now.plus(timing.consolidated_life()));
        self.due_at = Some(now.plus(timing.poll_gap(self.looks + 1)));
    }

    /// Waits for the webhook before the start is repeated. In the last attempt, the start is not repeated, because it
    /// could begin another query.
    fn await_delivery(&mut self, now: Time, timing: Timing) {
        let look = now.plus(timing.delivery_wait(self.attempts + self.looks));
        let last = self.attempt_until.filter(|_| self.attempts >= ATTEMPTS_MAX);
        self.due_at = Some(last.unwrap_or(look));
    }

    fn delivered(&mut self, delivery: RecordDelivery, request: Option<&UpstreamRequestId>, now: Time, timing: Timing) {
        if self.state == RecordState::Starting {
            self.request = request.cloned();
            self.unanswered = 0;
        }
        match delivery {
            RecordDelivery::Failure => self.fail(RecordReason::ConversionFailed),
            RecordDelivery::Nothing => self.state = RecordState::Empty,
            RecordDelivery::Link => {
                self.state = RecordState::Offered;
                // The link expires after three minutes. A transfer that has not begun by then counts as broken.
                self.due_at = Some(now.plus(timing.link_life()));
            }
        }
    }

    /// Waits before the next consolidated query, or fails the record after the last attempt.
    fn again(&mut self, now: Time, timing: Timing) {
        if self.attempts >= ATTEMPTS_MAX {
            self.fail(RecordReason::AttemptsExhausted);
        } else {
            self.state = RecordState::Waiting;
            self.due_at = Some(now.plus(timing.attempt_gap(self.attempts)));
        }
    }

    fn fail(&mut self, reason: RecordReason) {
        self.state = RecordState::Failed;
        self.reason = Some(reason);
    }
}
