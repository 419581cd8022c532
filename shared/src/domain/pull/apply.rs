//! How an event changes a pull.

use super::{Change, Deferral, FailureReason, Pull, PullEvent, PullState, QueryReport, RecordPhase, SourceOutcome};
use crate::domain::{RecordId, SourceKind, SourceStatus, Time, Timing, UpstreamRequestId};

impl Pull {
    /// Applies an event. `None` if it changes nothing: a duplicate, or an event that would regress the pull.
    ///
    /// `spare` is the id of the record that the event may make.
    #[must_use]
    pub fn apply(&self, event: &PullEvent, now: Time, timing: Timing, spare: RecordId) -> Option<Change> {
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
    fn of(pull: &Pull, now: Time, timing: Timing, spare: RecordId) -> Self {
        let change = Change {
            pull: pull.clone(),
            record: None,
            binds: None,
            frees_session: false,
            unlocks: false,
            calls: false,
            started: false,
            ended: None,
        };
        Self {
            change,
            now,
            timing,
            spare,
        }
    }

    fn pull(&mut self) -> &mut Pull {
        &mut self.change.pull
    }

    fn take(&mut self, event: &PullEvent) {
        use PullState::{Consolidating, Expired, Queued, Running, Starting, Withdrawn};
        let state = self.change.pull.state;
        match (state, event) {
            (Queued, PullEvent::StartClaimed) => self.claim(),
            (
                Queued,
                PullEvent::StartDeferred {
                    cause: Deferral::Budget,
                    until,
                },
            ) => {
                self.pull().start_at = Some(*until);
                self.due(*until);
            }
            (Queued, PullEvent::StartTooLate) => self.fail(FailureReason::Aal2SessionExpired),
            // A duplicate message may ask for a slot after the start was claimed. The later slot of that message does
            // not undo the claim.
            (
                Starting,
                PullEvent::StartDeferred {
                    cause: Deferral::Budget,
                    ..
                },
            ) => {}
            (Starting, PullEvent::StartDeferred { until, .. }) => self.defer(*until),
            (Starting, PullEvent::StartRefused { reason }) => self.fail(*reason),
            (Starting, PullEvent::StartUnknown) => {
                self.pull().unconfirmed = true;
                self.change.frees_session = true;
            }
            (Starting, PullEvent::StartStayedUnknown) => self.give_up_start(),
            // The answer may come after a webhook that proved the start.
            (Starting | Running, PullEvent::Started { request, report }) => self.started(request, report),
            (Withdrawn, PullEvent::Started { request, report }) => self.started_too_late(request, report),
            (
                Queued | Starting | Running | Expired,
                PullEvent::SourceReported {
                    source,
                    status,
                    request,
                },
            ) => {
                self.reported(*source, *status, request.as_ref());
            }
            // In every other state, a report does not change the pull's state. It still changes the source's status,
            // except that a failed source of an ended pull stays failed.
            (_, PullEvent::SourceReported { source, status, .. }) => {
                let now = self.now;
                let known = self.change.pull.sources.status(*source);
                if !(state.is_terminal() && known == Some(SourceStatus::Failed)) {
                    self.pull().sources.advance(*source, (*status).into(), now, None);
                }
            }
            (Running, PullEvent::Polled { report }) => self.polled(report),
            // Every source has ended. Only the status could show that Metriport retries a source, and it was not read.
            // The pull does not wait for it.
            (Running, PullEvent::PollFailed { .. }) if self.is_to_ask() => self.settle(true),
            (Running, PullEvent::PollFailed { until }) => self.not_yet(*until),
            (Running, PullEvent::DeadlinePassed) => self.deadline(),
            (Consolidating, PullEvent::RecordAwaited { until }) => self.not_yet(*until),
            (Consolidating, PullEvent::RecordEnded { available }) => self.record_ended(*available),
            (Queued | Starting | Running | Consolidating | Expired, PullEvent::ConsentWithdrawn) => {
                self.end(Withdrawn, None);
            }
            // Final from now on: a late report would make a record of the data that the operator deleted.
            (Expired, PullEvent::RecordsPurged) => self.end(PullState::Failed, Some(FailureReason::SourcesSilent)),
            // The event came out of order.
            _ => {}
        }
    }

    fn finish(mut self, before: &Pull) -> Option<Change> {
        let pull = &mut self.change.pull;
        if !pull.state.waits() {
            pull.due_at = None;
        }
        // A slot is used up once the start is claimed. A repeated start needs another slot.
        if pull.state != PullState::Queued {
            pull.start_at = None;
        }
        if pull == before {
            return None;
        }
        // Messages about the former due work become stale.
        if pull.due_at != before.due_at || pull.state != before.state {
            pull.due_seq += 1;
        }
        pull.version += 1;
        self.change.unlocks = !pull.state.waits() && before.state.waits();
        self.change.ended = Some(pull.state).filter(|state| !state.waits() && *state != before.state);
        Some(self.change)
    }

    fn due(&mut self, at: Time) {
        self.pull().due_at = Some(at);
    }

    fn claim(&mut self) {
        let until = self.now.plus(self.timing.ambiguous_wait());
        self.pull().state = PullState::Starting;
        self.change.calls = true;
        self.due(until);
    }

    /// Defers the start, at most until `start_by`.
    fn defer(&mut self, until: Time) {
        let until = until.min(self.change.pull.start_by);
        self.pull().state = PullState::Queued;
        self.due(until);
    }

    fn end(&mut self, state: PullState, reason: Option<FailureReason>) {
        let now = self.now;
        let pull = self.pull();
        pull.state = state;
        pull.reason = reason;
        pull.ended_at = Some(now);
    }

    fn fail(&mut self, reason: FailureReason) {
        self.end(PullState::Failed, Some(reason));
        self.change.frees_session = true;
    }

    /// The query may have run. The pull therefore fetches one record and then ends as unconfirmed.
    fn give_up_start(&mut self) {
        self.pull().unconfirmed = true;
        self.pull().reason = Some(FailureReason::StartUnknown);
        self.change.frees_session = true;
        self.consolidate();
    }

    fn started(&mut self, request: &UpstreamRequestId, report: &QueryReport) {
        if self.change.pull.request.as_ref().is_some_and(|known| known != request) {
            return;
        }
        self.begin(Some(request));
        let ended = self.report(report);
        self.settle(ended);
    }

    /// Notes a start that was claimed before the person withdrew their consent, and its sources. The pull stays
    /// withdrawn.
    fn started_too_late(&mut self, request: &UpstreamRequestId, report: &QueryReport) {
        let now = self.now;
        if self.change.pull.request.as_ref().is_some_and(|known| known != request) {
            return;
        }
        self.learn(Some(request));
        if self.change.pull.started_at.is_none() {
            self.pull().started_at = Some(now);
            self.change.started = true;
        }
        self.report(report);
    }

    /// Notes Metriport's id of the query, if none is known.
    fn learn(&mut self, request: Option<&UpstreamRequestId>) {
        if self.change.pull.request.is_none() {
            self.change.binds = request.cloned();
            self.pull().request = request.cloned();
        }
    }

    /// Notes that Metriport works on the query: an answer of Metriport or a webhook has proved the start.
    fn begin(&mut self, request: Option<&UpstreamRequestId>) {
        let (now, timing) = (self.now, self.timing);
        self.learn(request);
        if matches!(self.change.pull.state, PullState::Queued | PullState::Starting) {
            let pull = self.pull();
            pull.state = PullState::Running;
            pull.unconfirmed = false;
            pull.started_at = Some(now);
            pull.due_at = Some(now.plus(timing.poll_gap(0)));
            for kind in SourceKind::ALL {
                pull.sources.advance(kind, SourceStatus::Processing, now, None);
            }
            self.change.frees_session = true;
            self.change.started = true;
        }
    }

    fn reported(&mut self, source: SourceKind, status: SourceOutcome, request: Option<&UpstreamRequestId>) {
        let known = self.change.pull.request.as_ref();
        if known.is_some() && request.is_some() && known != request {
            return;
        }
        self.begin(request);
        let now = self.now;
        let news = self.pull().sources.advance(source, status.into(), now, None);
        if !self.is_to_ask() {
            self.settle(true);
        } else if news {
            self.due(now);
        }
    }

    /// Whether every source has ended, but Metriport may still retry a failed one. The pull must then read the status.
    fn is_to_ask(&self) -> bool {
        let pull = &self.change.pull;
        let may_ask = pull.state == PullState::Running && pull.request.is_some();
        may_ask && pull.sources.all_settled() && pull.sources.any_may_be_retried()
    }

    /// Applies Metriport's status. Returns whether the ends of the sources are final: Metriport's query has ended, or
    /// Metriport has reported the end of every source. The overall outcome does not apply to a failed source, because
    /// the status may leave out a source that could not start (docs.metriport.com, page `network/start-network-query`).
    fn report(&mut self, report: &QueryReport) -> bool {
        let now = self.now;
        let has_ended = self.change.pull.state.is_terminal();
        let sources = &mut self.pull().sources;
        for kind in SourceKind::ALL {
            let has_failed = sources.status(kind) == Some(SourceStatus::Failed);
            // A failed source of an ended pull stays failed.
            if has_failed && has_ended {
                continue;
            }
            let by_all = report.overall.filter(|_| !has_failed).map(|outcome| (outcome, None));
            if let Some((outcome, http_status)) = report.ending(kind).or(by_all) {
                sources.advance(kind, outcome.into(), now, http_status);
            }
        }
        report.is_final || sources.kinds().all(|kind| report.ending(kind).is_some())
    }

    fn polled(&mut self, report: &QueryReport) {
        let ended = self.report(report);
        let gap = self.timing.poll_gap(self.change.pull.polls + 1);
        let next = self.now.plus(gap).min(self.change.pull.expires_at);
        self.pull().polls += 1;
        self.due(next);
        self.settle(ended);
    }

    fn not_yet(&mut self, until: Time) {
        self.pull().polls += 1;
        self.due(until);
    }

    fn deadline(&mut self) {
        let now = self.now;
        for kind in SourceKind::ALL {
            self.pull().sources.advance(kind, SourceStatus::Expired, now, None);
        }
        self.settle(true);
    }

    /// Decides the pull's state from its sources. A failed source is final only if the query has `ended`.
    fn settle(&mut self, ended: bool) {
        let pull = &self.change.pull;
        let answered = pull.sources.count(SourceStatus::Completed) > 0;
        if pull.sources.all_settled() && (ended || !self.is_to_ask()) {
            match answered {
                true => self.consolidate(),
                false if pull.sources.count(SourceStatus::Expired) > 0 => {
                    self.end(PullState::Expired, Some(FailureReason::SourcesSilent));
                }
                false => self.end(PullState::Failed, Some(FailureReason::NoSourceAnswered)),
            }
        } else if pull.hie_record.is_none() && pull.sources.status(SourceKind::Hie) == Some(SourceStatus::Completed) {
            self.pull().hie_record = Some(self.spare);
            self.change.record = Some((self.spare, RecordPhase::Hie));
        }
    }

    /// Asks for the final record. A message announces the end of that record. If the message is lost, the pull checks
    /// the record itself, less and less often.
    fn consolidate(&mut self) {
        let until = self.now.plus(self.timing.poll_gap(0));
        let all = self.change.pull.sources.count(SourceStatus::Completed) == self.change.pull.sources.len();
        self.pull().polls = 0;
        self.pull().all_answered = all;
        self.pull().state = PullState::Consolidating;
        self.pull().ended_at = None;
        if !self.change.pull.unconfirmed {
            self.pull().reason = None;
        }
        self.pull().final_record = Some(self.spare);
        self.change.record = Some((self.spare, RecordPhase::Final));
        self.due(until);
    }

    fn record_ended(&mut self, available: bool) {
        let pull = &self.change.pull;
        let (state, reason) = match (pull.unconfirmed, available) {
            (true, _) => (PullState::Unconfirmed, Some(FailureReason::StartUnknown)),
            (false, false) => (PullState::Failed, Some(FailureReason::RecordUnavailable)),
            (false, true) if pull.all_answered => (PullState::Completed, None),
            (false, true) => (PullState::Partial, None),
        };
        self.end(state, reason);
    }
}
