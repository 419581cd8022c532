//! One pull of a person's record: a network query and the consolidated records that follow.
//!
//! A pull changes only through [`Pull::apply`]. The timeline keeps the events that changed the pull, so that a replay
//! of the timeline gives the stored pull. States only move forward. A terminal state is final; later evidence only
//! fills in missing data.

mod apply;
mod event;
#[cfg(test)]
pub(super) mod tests;

use serde::{Deserialize, Serialize};

pub use event::{Deferral, PullEvent, QueryReport, Reported, SourceOutcome, TimelineEntry};

use super::log::Access;
use super::person_root::Grant;
use super::record::{NewRecord, Record, RecordQuery};
use super::{PatientId, PullId, RecordId, SourceStatus, Sources, Time, Timing, UpstreamRequestId};

/// The state of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PullState {
    /// Accepted; the start has not been sent.
    Queued,
    /// The intent to start is written. The outcome of the call is not known yet.
    Starting,
    /// Metriport works on the query.
    Running,
    /// The sources are settled, or the start stayed unknown. The final record is consolidated and fetched.
    Consolidating,
    /// Every source answered, and the final record is available or empty.
    Completed,
    /// Some sources answered, and the final record is available or empty.
    Partial,
    /// No source answered, the query was not started, or the final record could not be fetched.
    Failed,
    /// It is unknown whether the query ran, and the final record has ended.
    Unconfirmed,
    /// No source answered in time. A later report still changes the pull.
    Expired,
    /// The person withdrew their consent before the pull had ended.
    Withdrawn,
}

impl PullState {
    /// Whether the state is final. `Expired` is not final, because a report may still come after the deadline.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Partial | Self::Failed | Self::Unconfirmed | Self::Withdrawn => true,
            Self::Queued | Self::Starting | Self::Running | Self::Consolidating | Self::Expired => false,
        }
    }

    /// The code, as stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Consolidating => "consolidating",
            Self::Completed => "completed",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Unconfirmed => "unconfirmed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether the pull waits for an event. If so, it must have a due time.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(
            self,
            Self::Queued | Self::Starting | Self::Running | Self::Consolidating
        )
    }
}

/// Why a pull did not succeed; a closed list of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// The AAL2 session ended before the query could start.
    Aal2SessionExpired,
    /// Metriport did not accept the AAL2 session.
    Aal2SessionRejected,
    /// Metriport did not accept the proofed identity.
    IdentityRejected,
    /// Metriport refused the query.
    UpstreamRefused,
    /// It is unknown whether the query started.
    StartUnknown,
    /// Every source failed.
    NoSourceAnswered,
    /// No source answered in time, and at least one source did not report.
    SourcesSilent,
    /// The sources answered, but the record could not be fetched.
    RecordUnavailable,
}

/// One pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pull {
    /// Our id of the pull.
    pub id: PullId,
    /// The patient.
    pub patient: PatientId,
    /// The person's grant under which it was accepted.
    #[serde(default, skip_serializing_if = "Grant::is_unconditional")]
    pub grant: Grant,
    /// Its state.
    pub state: PullState,
    /// The requested sources and their statuses.
    pub sources: Sources,
    /// Metriport's id of the query, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// When the pull was accepted.
    pub created_at: Time,
    /// The slot that the rate budget reserves for the start; `None` once the start is claimed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Time>,
    /// When we learned that the query had started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the pull ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// The time by which the pull must start: the end of its AAL2 session.
    pub start_by: Time,
    /// The deadline for the sources.
    pub expires_at: Time,
    /// When `query-dispatch` must look at the pull again; `None` once the pull waits for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// Numbers the due work: an `advance` message with another number is stale.
    pub due_seq: u64,
    /// Counts every write; each write is conditional on it.
    pub version: u64,
    /// Number of status reads so far. While the pull consolidates, number of checks of the final record.
    #[serde(default)]
    pub polls: u32,
    /// The record that was asked for when the HIE source had answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hie_record: Option<RecordId>,
    /// The record that was asked for at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_record: Option<RecordId>,
    /// Whether every source had answered when the final record was asked for. Answers that come later are not in that
    /// record.
    #[serde(default)]
    pub all_answered: bool,
    /// Whether it is unknown if the query started.
    #[serde(default)]
    pub unconfirmed: bool,
    /// Why the pull did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
}

/// The content of a new pull.
#[derive(Debug, Clone)]
pub struct NewPull {
    /// Its id.
    pub id: PullId,
    /// The patient.
    pub patient: PatientId,
    /// The person's grant.
    pub grant: Grant,
    /// The requested sources.
    pub sources: Sources,
}

impl Pull {
    /// Accepts a pull. The pull is due at once, and has a deadline for its start and one for its sources.
    #[must_use]
    pub fn accept(new: NewPull, now: Time, timing: Timing) -> Self {
        Self {
            id: new.id,
            patient: new.patient,
            grant: new.grant,
            state: PullState::Queued,
            sources: new.sources,
            request: None,
            created_at: now,
            start_at: None,
            started_at: None,
            ended_at: None,
            start_by: now.plus(timing.aal2_session()),
            expires_at: now.plus(timing.pull_life()),
            due_at: Some(now),
            due_seq: 1,
            version: 1,
            polls: 0,
            hie_record: None,
            final_record: None,
            all_answered: false,
            unconfirmed: false,
            reason: None,
        }
    }

    /// Gives the pull a slot of the rate budget. The pull becomes due at the time of the slot.
    #[must_use]
    pub fn in_slot(self, slot: Time) -> Self {
        Self {
            start_at: Some(slot),
            due_at: Some(slot),
            ..self
        }
    }

    /// The planned time of the pull's start, while the pull waits for its start.
    #[must_use]
    pub fn estimated_start(&self, now: Time) -> Option<Time> {
        let waits = self.shown_state(now) == PullState::Queued;
        self.start_at.or(self.due_at).filter(|_| waits)
    }

    /// Applies the events of a timeline again, in their order, each with its time and the record it made. A complete
    /// timeline gives the stored pull, unless an event depended on [`QueryReport::is_final`], which is not stored.
    #[must_use]
    pub fn replay<'e>(
        self,
        history: impl IntoIterator<Item = (&'e PullEvent, Time, Option<RecordId>)>,
        timing: Timing,
    ) -> Self {
        history.into_iter().fold(self, |pull, (event, at, record)| {
            // An event that made no record does not use the id.
            let change = pull.apply(event, at, timing, record.unwrap_or(RecordId::UNUSED));
            change.map_or(pull, |change| change.pull)
        })
    }

    /// The time until which the pull locks the patient: the deadline for the sources, and then twice the life of a
    /// record.
    #[must_use]
    pub fn lock_until(&self, timing: Timing) -> Time {
        self.expires_at.plus(timing.record_life()).plus(timing.record_life())
    }

    /// The step that is due at `now`. It depends only on the stored pull and on `now`.
    #[must_use]
    pub fn step(&self, now: Time) -> Step {
        let Some(due_at) = self.due_at else {
            return Step::Nothing;
        };
        let due = now >= due_at;
        match self.state {
            PullState::Queued if now >= self.start_by => Step::Apply(PullEvent::StartTooLate),
            PullState::Queued if due => Step::Start,
            PullState::Starting if due => Step::Apply(PullEvent::StartStayedUnknown),
            PullState::Running if now >= self.expires_at => Step::Apply(PullEvent::DeadlinePassed),
            PullState::Running if due => Step::Poll,
            // The check does not wait for the due time: the message about the record's end comes earlier, and a check
            // costs one read.
            PullState::Consolidating => Step::CheckRecord,
            PullState::Queued | PullState::Starting | PullState::Running => Step::Wait(due_at),
            PullState::Completed
            | PullState::Partial
            | PullState::Failed
            | PullState::Unconfirmed
            | PullState::Expired
            | PullState::Withdrawn => Step::Nothing,
        }
    }

    /// The state that the API shows. A pull whose deadline has passed is shown as expired or failed, even if no process
    /// has written that yet.
    #[must_use]
    pub fn shown_state(&self, now: Time) -> PullState {
        match self.state {
            PullState::Running if now >= self.expires_at && self.sources.count(SourceStatus::Completed) == 0 => {
                PullState::Expired
            }
            PullState::Queued if now >= self.start_by => PullState::Failed,
            state => state,
        }
    }

    /// The status of one of the pull's sources that the API shows. A source that has not ended is shown as expired with
    /// its pull.
    #[must_use]
    pub fn shown_source(&self, status: SourceStatus, now: Time) -> SourceStatus {
        match self.shown_state(now) {
            PullState::Expired if !status.is_settled() => SourceStatus::Expired,
            _ => status,
        }
    }

    /// The reason that belongs to [`Pull::shown_state`].
    #[must_use]
    pub fn shown_reason(&self, now: Time) -> Option<FailureReason> {
        match (self.state, self.shown_state(now)) {
            (PullState::Queued, PullState::Failed) => Some(FailureReason::Aal2SessionExpired),
            (PullState::Running, PullState::Expired) => Some(FailureReason::SourcesSilent),
            _ => self.reason,
        }
    }
}

/// The next step of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start the network query.
    Start,
    /// Read Metriport's status.
    Poll,
    /// Check whether the final record has ended.
    CheckRecord,
    /// Apply an event that only the clock causes.
    Apply(PullEvent),
    /// Wait until this time.
    Wait(Time),
    /// Do nothing.
    Nothing,
}

/// The effect of an event on a pull, and the other items that the same transaction writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The changed pull.
    pub pull: Pull,
    /// The id and phase of a record that the change makes.
    pub record: Option<(RecordId, RecordPhase)>,
    /// A request id that must be stored to correlate webhooks.
    pub binds: Option<UpstreamRequestId>,
    /// Whether the AAL2 session is no longer needed.
    pub frees_session: bool,
    /// Whether the patient's lock must be released.
    pub unlocks: bool,
    /// Whether a call to Metriport follows that needs the pull's grant.
    pub calls: bool,
    /// Whether this change started the pull: an answer of Metriport or a webhook has proved the start.
    pub started: bool,
    /// The state in which this change ended the pull. A pull that expired may end again.
    pub ended: Option<PullState>,
}

impl Change {
    /// The accesses for which the change leaves entries, each with its result.
    pub fn accesses(&self) -> impl Iterator<Item = (Access, Option<PullState>)> {
        let started = self.started.then_some((Access::PullStarted, None));
        let ended = self.ended.map(|state| (Access::PullEnded, Some(state)));
        started.into_iter().chain(ended)
    }

    /// The new record that the change makes. It asks for all resources, as JSON.
    #[must_use]
    pub fn new_record(&self, now: Time, timing: Timing) -> Option<Record> {
        let (id, phase) = self.record?;
        let (pull, patient) = (Some(self.pull.id), self.pull.patient.clone());
        Some(Record::ask(
            NewRecord {
                id,
                pull,
                phase,
                patient,
                grant: self.pull.grant,
                query: RecordQuery::default(),
            },
            now,
            timing,
        ))
    }
}

/// The phase of a pull in which a record is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPhase {
    /// The HIE source has answered, and other sources have not ended.
    Hie,
    /// The sources are settled, or the start stayed unknown.
    Final,
    /// The person asked for the record; it does not belong to a pull.
    Asked,
}
