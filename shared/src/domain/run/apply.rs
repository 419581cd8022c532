//! How an event changes a run.

use super::{Change, Deferral, FailureReason, QueryReport, RecordPhase, Run, RunEvent, RunState, SourceOutcome};
use crate::domain::{RecordId, SourceKind, SourceStatus, Time, Timing, UpstreamRequestId};

impl Run {
    /// Applies an event. `None` if it changes nothing: a duplicate, or an event that would regress the run.
    ///
    /// `spare` is the id of the record that the event may make.
    #[must_use]
    pub fn apply(&self, event: &RunEvent, now: Time, timing: Timing, spare: RecordId) -> Option<Change> {
        let mut draft = Draft::of(self, now, timing, spare);
        draft.take(event);
        draft.finish(self)
    }
}

struct Draft {
    change: Change,
    now: Time,
    timing: Timing,
    spare: RecordId,
}

impl Draft {
    fn of(run: &Run, now: Time, timing: Timing, spare: RecordId) -> Self {
        let change = Change {
            run: run.clone(),
            record: None,
            binds: None,
            frees_session: false,
            unlocks: false,
            ended: None,
        };
        Self {
            change,
            now,
            timing,
            spare,
        }
    }

    fn run(&mut self) -> &mut Run {
        &mut self.change.run
    }

    fn take(&mut self, event: &RunEvent) {
        use RunState::{Consolidating, Expired, Queued, Running, Starting};
        let state = self.change.run.state;
        match (state, event) {
            (Queued, RunEvent::StartClaimed) => self.claim(),
            (
                Queued,
                RunEvent::StartDeferred {
                    cause: Deferral::Budget,
                    until,
                },
            ) => {
                self.run().start_at = Some(*until);
                self.due(*until);
            }
            (Queued, RunEvent::StartTooLate) => self.fail(FailureReason::Aal2SessionExpired),
            // A duplicate message may ask for a slot after the start was claimed. The later slot of that message does
            // not undo the claim.
            (
                Starting,
                RunEvent::StartDeferred {
                    cause: Deferral::Budget,
                    ..
                },
            ) => {}
            (Starting, RunEvent::StartDeferred { until, .. }) => self.defer(*until),
            (Starting, RunEvent::StartRefused { reason }) => self.fail(*reason),
            (Starting, RunEvent::StartUnknown) => {
                self.run().unconfirmed = true;
                self.change.frees_session = true;
            }
            (Starting, RunEvent::StartStayedUnknown) => self.give_up_start(),
            // The answer may come after a webhook that proved the start.
            (Starting | Running, RunEvent::Started { request, report }) => self.started(request, report),
            (
                Queued | Starting | Running | Expired,
                RunEvent::SourceReported {
                    source,
                    status,
                    request,
                },
            ) => {
                self.reported(*source, *status, request.as_ref());
            }
            // In every other state, a report does not change the run's state. It still changes the source's status,
            // except that a failed source of an ended run stays failed.
            (_, RunEvent::SourceReported { source, status, .. }) => {
                let now = self.now;
                let known = self.change.run.sources.status(*source);
                if !(state.is_terminal() && known == Some(SourceStatus::Failed)) {
                    self.run().sources.advance(*source, (*status).into(), now, None);
                }
            }
            (Running, RunEvent::Polled { report }) => self.polled(report),
            // Every source has ended. Only the status could show that Metriport retries a source, and it was not read.
            // The run does not wait for it.
            (Running, RunEvent::PollFailed { .. }) if self.is_to_ask() => self.settle(true),
            (Running, RunEvent::PollFailed { until }) => self.not_yet(*until),
            (Running, RunEvent::DeadlinePassed) => self.deadline(),
            (Consolidating, RunEvent::RecordAwaited { until }) => self.not_yet(*until),
            (Consolidating, RunEvent::RecordEnded { available }) => self.record_ended(*available),
            // The event came out of order.
            _ => {}
        }
    }

    fn finish(mut self, before: &Run) -> Option<Change> {
        let run = &mut self.change.run;
        if !run.state.waits() {
            run.due_at = None;
        }
        // A slot is used up once the start is claimed. A repeated start needs another slot.
        if run.state != RunState::Queued {
            run.start_at = None;
        }
        if run == before {
            return None;
        }
        // Messages about the former due work become stale.
        if run.due_at != before.due_at || run.state != before.state {
            run.due_seq += 1;
        }
        run.version += 1;
        self.change.unlocks = !run.state.waits() && before.state.waits();
        self.change.ended = Some(run.state).filter(|state| !state.waits() && *state != before.state);
        Some(self.change)
    }

    fn due(&mut self, at: Time) {
        self.run().due_at = Some(at);
    }

    fn claim(&mut self) {
        let until = self.now.plus(self.timing.ambiguous_wait());
        self.run().state = RunState::Starting;
        self.due(until);
    }

    /// Defers the start, at most until `start_by`.
    fn defer(&mut self, until: Time) {
        let until = until.min(self.change.run.start_by);
        self.run().state = RunState::Queued;
        self.due(until);
    }

    fn end(&mut self, state: RunState, reason: Option<FailureReason>) {
        let now = self.now;
        let run = self.run();
        run.state = state;
        run.reason = reason;
        run.ended_at = Some(now);
    }

    fn fail(&mut self, reason: FailureReason) {
        self.end(RunState::Failed, Some(reason));
        self.change.frees_session = true;
    }

    /// The query may have run. The run therefore fetches one record and then ends as unconfirmed.
    fn give_up_start(&mut self) {
        self.run().unconfirmed = true;
        self.run().reason = Some(FailureReason::StartUnknown);
        self.change.frees_session = true;
        self.consolidate();
    }

    fn started(&mut self, request: &UpstreamRequestId, report: &QueryReport) {
        if self.change.run.request.as_ref().is_some_and(|known| known != request) {
            return;
        }
        self.begin(Some(request));
        let ended = self.report(report);
        self.settle(ended);
    }

    /// Notes that Metriport works on the query: an answer of Metriport or a webhook has proved the start.
    fn begin(&mut self, request: Option<&UpstreamRequestId>) {
        let (now, timing) = (self.now, self.timing);
        if self.change.run.request.is_none() {
            self.change.binds = request.cloned();
            self.run().request = request.cloned();
        }
        if matches!(self.change.run.state, RunState::Queued | RunState::Starting) {
            let run = self.run();
            run.state = RunState::Running;
            run.unconfirmed = false;
            run.started_at = Some(now);
            run.due_at = Some(now.plus(timing.poll_gap(0)));
            for kind in SourceKind::ALL {
                run.sources.advance(kind, SourceStatus::Processing, now, None);
            }
            self.change.frees_session = true;
        }
    }

    fn reported(&mut self, source: SourceKind, status: SourceOutcome, request: Option<&UpstreamRequestId>) {
        let known = self.change.run.request.as_ref();
        if known.is_some() && request.is_some() && known != request {
            return;
        }
        self.begin(request);
        let now = self.now;
        let news = self.run().sources.advance(source, status.into(), now, None);
        if !self.is_to_ask() {
            self.settle(true);
        } else if news {
            self.due(now);
        }
    }

    /// Whether every source has ended, but Metriport may still retry a failed one. The run must then read the status.
    fn is_to_ask(&self) -> bool {
        let run = &self.change.run;
        let may_ask = run.state == RunState::Running && run.request.is_some();
        may_ask && run.sources.all_settled() && run.sources.any_may_be_retried()
    }

    /// Applies Metriport's status. Returns whether the ends of the sources are final: Metriport's query has ended, or
    /// Metriport has reported the end of every source. The overall outcome does not apply to a failed source, because
    /// the status may leave out a source that could not start (docs.metriport.com, page `network/start-network-query`).
    fn report(&mut self, report: &QueryReport) -> bool {
        let now = self.now;
        let sources = &mut self.run().sources;
        for kind in SourceKind::ALL {
            let has_failed = sources.status(kind) == Some(SourceStatus::Failed);
            let by_all = report.overall.filter(|_| !has_failed).map(|outcome| (outcome, None));
            if let Some((outcome, http_status)) = report.ending(kind).or(by_all) {
                sources.advance(kind, outcome.into(), now, http_status);
            }
        }
        report.is_final || sources.kinds().all(|kind| report.ending(kind).is_some())
    }

    fn polled(&mut self, report: &QueryReport) {
        let ended = self.report(report);
        let gap = self.timing.poll_gap(self.change.run.polls + 1);
        let next = self.now.plus(gap).min(self.change.run.expires_at);
        self.run().polls += 1;
        self.due(next);
        self.settle(ended);
    }

    fn not_yet(&mut self, until: Time) {
        self.run().polls += 1;
        self.due(until);
    }

    fn deadline(&mut self) {
        let now = self.now;
        for kind in SourceKind::ALL {
            self.run().sources.advance(kind, SourceStatus::Expired, now, None);
        }
        self.settle(true);
    }

    /// Decides the run's state from its sources. A failed source is final only if the query has `ended`.
    fn settle(&mut self, ended: bool) {
        let run = &self.change.run;
        let answered = run.sources.count(SourceStatus::Completed) > 0;
        if run.sources.all_settled() && (ended || !self.is_to_ask()) {
            match answered {
                true => self.consolidate(),
                false if run.sources.count(SourceStatus::Expired) > 0 => {
                    self.end(RunState::Expired, Some(FailureReason::SourcesSilent));
                }
                false => self.end(RunState::Failed, Some(FailureReason::NoSourceAnswered)),
            }
        } else if run.hie_record.is_none() && run.sources.status(SourceKind::Hie) == Some(SourceStatus::Completed) {
            self.run().hie_record = Some(self.spare);
            self.change.record = Some((self.spare, RecordPhase::Hie));
        }
    }

    /// Asks for the final record. A message announces the end of that record. If the message is lost, the run checks
    /// the record itself, less and less often.
    fn consolidate(&mut self) {
        let until = self.now.plus(self.timing.poll_gap(0));
        let all = self.change.run.sources.count(SourceStatus::Completed) == self.change.run.sources.len();
        self.run().polls = 0;
        self.run().all_answered = all;
        self.run().state = RunState::Consolidating;
        self.run().ended_at = None;
        if !self.change.run.unconfirmed {
            self.run().reason = None;
        }
        self.run().final_record = Some(self.spare);
        self.change.record = Some((self.spare, RecordPhase::Final));
        self.due(until);
    }

    fn record_ended(&mut self, available: bool) {
        let run = &self.change.run;
        let (state, reason) = match (run.unconfirmed, available) {
            (true, _) => (RunState::Unconfirmed, Some(FailureReason::StartUnknown)),
            (false, false) => (RunState::Failed, Some(FailureReason::RecordUnavailable)),
            (false, true) if run.all_answered => (RunState::Completed, None),
            (false, true) => (RunState::Partial, None),
        };
        self.end(state, reason);
    }
}
