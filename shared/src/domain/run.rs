//! One pull of a person's record: a network query and the consolidated record that follows.
//!
//! A run changes only through [`Run::apply`]. The events are what the timeline keeps, so replaying a timeline gives the
//! stored run. States only move forward; a terminal one is final, and later evidence only fills in what is missing.

mod apply;
mod event;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use event::{Deferral, Outcome, Report, Reported, RunEvent};

use super::record::{Asked, NewRecord, Record};
use super::{PatientId, RecordId, RunId, SourceStatus, Sources, Time, Timing, UpstreamRequestId};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Accepted, not started.
    Queued,
    /// The intent to start is written; the outcome of the call is not.
    Starting,
    /// Upstream works on it.
    Running,
    /// The sources are settled; the record is being consolidated and fetched.
    Consolidating,
    /// Every source answered and the record is here.
    Completed,
    /// Some sources answered and the record is here.
    Partial,
    /// No source answered, the start was refused, or the record could not be had.
    Failed,
    /// Whether the query ran is unknown; what the record held was fetched.
    Unconfirmed,
    /// No source answered in time. Later evidence still fills in.
    Expired,
}

impl RunState {
    /// Whether the state is final. `Expired` is a reading of the clock and is not.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        match self {
            Self::Completed | Self::Partial | Self::Failed | Self::Unconfirmed => true,
            Self::Queued | Self::Starting | Self::Running | Self::Consolidating | Self::Expired => false,
        }
    }

    /// Its code, as it is stored and shown.
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
        }
    }

    /// Whether somebody still waits for something to happen, so that there must be a due time.
    #[must_use]
    pub const fn waits(self) -> bool {
        matches!(
            self,
            Self::Queued | Self::Starting | Self::Running | Self::Consolidating
        )
    }
}

/// Why a run did not end well; a closed list of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The AAL2 session ended before the query could start.
    Aal2SessionExpired,
    /// Metriport did not accept the AAL2 session.
    Aal2SessionRejected,
    /// Metriport did not accept the proofed identity.
    IdentityRejected,
    /// Metriport refused the query.
    UpstreamRefused,
    /// Whether the query started is unknown.
    StartUnknown,
    /// Every source failed.
    NoSourceAnswered,
    /// No source was heard of before the deadline.
    SourcesSilent,
    /// The sources answered but the record could not be fetched.
    RecordUnavailable,
}

/// One pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Its id with us.
    pub id: RunId,
    /// Whose record is pulled.
    pub patient: PatientId,
    /// Where it stands.
    pub state: RunState,
    /// What was asked, and how far each source has come.
    pub sources: Sources,
    /// Metriport's id of the query, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// When it was accepted.
    pub created_at: Time,
    /// The slot of the rate budget that is reserved for its start, until it is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Time>,
    /// When upstream began, as far as we know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it reached a terminal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// Until when it may start: the life of its AAL2 session.
    pub start_by: Time,
    /// Until when the sources are waited for.
    pub expires_at: Time,
    /// When somebody must look at it again; none once nothing is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// Names the due work: an `advance` message with another number is stale.
    pub due_seq: u64,
    /// Counts every write; the next write names it.
    pub version: u64,
    /// Looks so far: at upstream's status, then at the final record.
    #[serde(default)]
    pub polls: u32,
    /// The record fetched when the HIE source ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hie_record: Option<RecordId>,
    /// The record fetched when the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub final_record: Option<RecordId>,
    /// Whether every source had answered when the final record was asked for: later answers are not in it.
    #[serde(default)]
    pub all_answered: bool,
    /// Whether the start's outcome stayed unknown.
    #[serde(default)]
    pub unconfirmed: bool,
    /// Why it did not end well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What a new run is made of.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// Its id.
    pub id: RunId,
    /// Whose record is pulled.
    pub patient: PatientId,
    /// What is asked.
    pub sources: Sources,
}

impl Run {
    /// Accepts a pull: due at once, with a deadline for its start and one for its sources.
    #[must_use]
    pub fn accept(new: NewRun, now: Time, timing: Timing) -> Self {
        Self {
            id: new.id,
            patient: new.patient,
            state: RunState::Queued,
            sources: new.sources,
            request: None,
            created_at: now,
            start_at: None,
            started_at: None,
            ended_at: None,
            start_by: now.plus(timing.aal2_session()),
            expires_at: now.plus(timing.run_life()),
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

    /// The same, with a slot of the rate budget: due then.
    #[must_use]
    pub fn in_slot(self, slot: Time) -> Self {
        Self {
            start_at: Some(slot),
            due_at: Some(slot),
            ..self
        }
    }

    /// When its start is planned, while it waits for that.
    #[must_use]
    pub fn estimated_start(&self, now: Time) -> Option<Time> {
        let waits = self.shown_state(now) == RunState::Queued;
        self.start_at.or(self.due_at).filter(|_| waits)
    }

    /// The run that a timeline tells of: events in their order, each with its time and the record it made. It is the
    /// stored run, or the timeline is not the whole of it.
    #[must_use]
    pub fn replay<'e>(
        self,
        history: impl IntoIterator<Item = (&'e RunEvent, Time, Option<RecordId>)>,
        timing: Timing,
    ) -> Self {
        history.into_iter().fold(self, |run, (event, at, record)| {
            // An event that made no record calls for none: the id is not looked at.
            let change = run.apply(event, at, timing, record.unwrap_or(RecordId::UNUSED));
            change.map_or(run, |change| change.run)
        })
    }

    /// Until when the patient is locked for this run: its sources' deadline, and the time the record may take after.
    #[must_use]
    pub fn lock_until(&self, timing: Timing) -> Time {
        self.expires_at.plus(timing.record_life()).plus(timing.record_life())
    }

    /// What is to be done now. Derived from the stored run alone, so it can always be asked again.
    #[must_use]
    pub fn step(&self, now: Time) -> Step {
        let Some(due_at) = self.due_at else {
            return Step::Nothing;
        };
        let due = now >= due_at;
        match self.state {
            RunState::Queued if now >= self.start_by => Step::Apply(RunEvent::StartTooLate),
            RunState::Queued if due => Step::Start,
            RunState::Starting if due => Step::Apply(RunEvent::StartStayedUnknown),
            RunState::Running if now >= self.expires_at => Step::Apply(RunEvent::DeadlinePassed),
            RunState::Running if due => Step::Poll,
            // Asking early costs one read, and the record's end is announced by an early message.
            RunState::Consolidating => Step::CheckRecord,
            RunState::Queued | RunState::Starting | RunState::Running => Step::Wait(due_at),
            RunState::Completed | RunState::Partial | RunState::Failed | RunState::Unconfirmed | RunState::Expired => {
                Step::Nothing
            }
        }
    }

    /// The state as a reader sees it: an expired run reads as expired even if no process wrote that.
    #[must_use]
    pub fn shown_state(&self, now: Time) -> RunState {
        match self.state {
            RunState::Running if now >= self.expires_at && self.sources.count(SourceStatus::Completed) == 0 => {
                RunState::Expired
            }
            RunState::Queued if now >= self.start_by => RunState::Failed,
            state => state,
        }
    }

    /// Why, as a reader sees it: belongs to [`Run::shown_state`].
    #[must_use]
    pub fn shown_reason(&self, now: Time) -> Option<Reason> {
        match (self.state, self.shown_state(now)) {
            (RunState::Queued, RunState::Failed) => Some(Reason::Aal2SessionExpired),
            (RunState::Running, RunState::Expired) => Some(Reason::SourcesSilent),
            _ => self.reason,
        }
    }
}

/// The next piece of work of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Start the network query.
    Start,
    /// Ask upstream for its status.
    Poll,
    /// See whether the final record has ended.
    CheckRecord,
    /// The clock alone decided.
    Apply(RunEvent),
    /// Nothing before that time.
    Wait(Time),
    /// Nothing at all.
    Nothing,
}

/// What an event did to a run, and what must be written and sent with it, in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The run afterwards.
    pub run: Run,
    /// A record to be made: its id and which moment of the run it is of.
    pub record: Option<(RecordId, RecordPhase)>,
    /// A request id to be kept for the correlation of webhooks.
    pub binds: Option<UpstreamRequestId>,
    /// Whether the AAL2 session is of no more use.
    pub frees_session: bool,
    /// Whether the patient's lock is released.
    pub unlocks: bool,
    /// The state that the run ended in by this. One that had expired may end again.
    pub ended: Option<RunState>,
}

impl Change {
    /// The record the change calls for: the whole of it, as JSON.
    #[must_use]
    pub fn new_record(&self, now: Time, timing: Timing) -> Option<Record> {
        let (id, phase) = self.record?;
        let (run, patient) = (Some(self.run.id), self.run.patient.clone());
        Some(Record::ask(
            NewRecord {
                id,
                run,
                phase,
                patient,
                asked: Asked::default(),
            },
            now,
            timing,
        ))
    }
}

/// Which moment of a run a record is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordPhase {
    /// The HIE source had answered, others were still out.
    Hie,
    /// The run's sources were settled.
    Final,
    /// Asked for by the person.
    Asked,
}
