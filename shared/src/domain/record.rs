//! One consolidated record: a consolidated query upstream, a transfer into our bucket, an object.
//!
//! Upstream keeps one file per patient and format and lets a later query overwrite it, so one record per patient is
//! worked on at a time, under a lock that is held until the transfer has ended. Starting the same consolidated query
//! again is safe: with equal parameters the running one is returned (docs.metriport.com, page
//! `fhir/consolidated-data-query-post`). So a start that is sent again is also the look at how a query goes: the same
//! id says that it runs, another one that it ended unheard and that the next attempt is under way (decision 0010).

mod apply;
mod asked;
mod open;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use asked::{Asked, Conversion, Delivered, RESOURCE_TYPES};
pub use open::{OPEN_MAX, OpenRecord, OpenRecords};

use super::run::RecordPhase;
use super::{PatientId, RecordId, RunId, Time, Timing, UpstreamRequestId};

/// How often a record is asked for anew before it is given up.
pub const ATTEMPTS_MAX: u32 = 12;

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Waits for the patient's lock, or for a retry.
    Waiting,
    /// Holds the lock; a start is on its way, or was sent and its answer never came.
    Starting,
    /// Upstream consolidates.
    Processing,
    /// A link is here and is to be followed.
    Offered,
    /// The transfer runs.
    Fetching,
    /// In the bucket.
    Available,
    /// Upstream has nothing for what was asked.
    Empty,
    /// Could not be had.
    Failed,
}

impl RecordState {
    /// Whether the state is final.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Available | Self::Empty | Self::Failed)
    }

    /// Its code, as it is stored and shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Processing => "processing",
            Self::Offered => "offered",
            Self::Fetching => "fetching",
            Self::Available => "available",
            Self::Empty => "empty",
            Self::Failed => "failed",
        }
    }

    /// Whether the patient's consolidated lock is held.
    #[must_use]
    pub const fn holds_lock(self) -> bool {
        matches!(self, Self::Starting | Self::Processing | Self::Offered | Self::Fetching)
    }
}

/// Why a record could not be had; a closed list of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordReason {
    /// Metriport refused the consolidated query.
    UpstreamRefused,
    /// Metriport's consolidation failed.
    ConversionFailed,
    /// It was asked for too often without a result.
    AttemptsExhausted,
    /// It did not come in time.
    Expired,
    /// What was delivered is no FHIR Bundle.
    NotABundle,
    /// What was delivered is larger than the deployment takes.
    TooLarge,
    /// The link leads where records are not fetched from.
    LinkRefused,
}

/// A record in our bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StoredObject {
    /// The object's key.
    pub key: String,
    /// SHA-256 of the stored bytes, lowercase hex.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
    /// Resources per FHIR type; empty for PDF and HTML.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
}

/// One consolidated record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// The pull it belongs to, unless the person asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Which moment it is of.
    pub phase: RecordPhase,
    /// Whose record.
    pub patient: PatientId,
    /// What is asked of upstream.
    pub asked: Asked,
    /// Where it stands.
    pub state: RecordState,
    /// Metriport's id of the consolidated query; while a start is on its way, of the one that ran when it was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// When it was asked for.
    pub created_at: Time,
    /// Until when it is tried for.
    pub expires_at: Time,
    /// When it reached a terminal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// When somebody must look at it again; none once nothing is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// Names the due work.
    pub due_seq: u64,
    /// Counts every write.
    pub version: u64,
    /// Until when the current consolidated query is waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_until: Option<Time>,
    /// Consolidated queries begun.
    #[serde(default)]
    pub attempts: u32,
    /// Starts sent again since the current query is known, or since the lock was taken.
    #[serde(default)]
    pub looks: u32,
    /// Starts sent since the last answer: each may have begun a query.
    #[serde(default)]
    pub unanswered: u32,
    /// Starts of attempts that were given up without an answer: a delivery may still come of any of them.
    #[serde(default)]
    pub unheard: u32,
    /// What is in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<StoredObject>,
    /// Why it could not be had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RecordReason>,
}

/// What a new record is made of.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its id.
    pub id: RecordId,
    /// The pull it belongs to.
    pub run: Option<RunId>,
    /// Which moment it is of.
    pub phase: RecordPhase,
    /// Whose record.
    pub patient: PatientId,
    /// What is asked.
    pub asked: Asked,
}

/// Something that happened to a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordEvent {
    /// The lock is taken; the call follows.
    Claimed,
    /// The same start is about to be sent again.
    Repeated,
    /// Another record of the patient holds the lock.
    LockBusy,
    /// Upstream answered a start: with a query that begins, or with the one that runs.
    Started(UpstreamRequestId),
    /// The start was not made, or certainly had no effect, and is tried again at that time.
    StartDeferred(Time),
    /// The call ended without an answer; repeating it is safe.
    StartUnknown,
    /// Upstream refused the start.
    StartRefused,
    /// The delivery came: with a link, without data, or as a failure.
    Delivered(Delivery, Option<UpstreamRequestId>),
    /// A transfer begins.
    FetchClaimed,
    /// The link was dead or the transfer broke.
    FetchBroken,
    /// What came cannot be kept.
    FetchRefused(RecordReason),
    /// The object is in the bucket.
    Stored(StoredObject),
    /// The current consolidated query did not end in time, or its delivery did not come.
    AttemptOver,
    /// Nothing came for the whole life of the record.
    DeadlinePassed,
}

/// What a delivery holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A link to follow.
    Link,
    /// No data for what was asked.
    Nothing,
    /// The consolidation failed.
    Failure,
}

/// What an event did to a record, and what must be written with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The record afterwards.
    pub record: Record,
    /// A request id to be kept for the correlation of webhooks.
    pub binds: Option<UpstreamRequestId>,
    /// Whether the patient's consolidated lock is to be taken.
    pub locks: bool,
    /// Whether the patient's consolidated lock is given back.
    pub unlocks: bool,
}

/// The next piece of work of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordStep {
    /// Take the lock and start the consolidated query.
    Claim,
    /// Send the start again, for which the lock is held.
    Repeat,
    /// The clock alone decided.
    Apply(RecordEvent),
    /// Nothing before that time.
    Wait(Time),
    /// Nothing at all.
    Nothing,
}

impl Record {
    /// Asks for a record: due at once.
    #[must_use]
    pub fn ask(new: NewRecord, now: Time, timing: Timing) -> Self {
        Self {
            id: new.id,
            run: new.run,
            phase: new.phase,
            patient: new.patient,
            asked: new.asked,
            state: RecordState::Waiting,
            request: None,
            created_at: now,
            expires_at: now.plus(timing.record_life()),
            ended_at: None,
            due_at: Some(now),
            due_seq: 1,
            version: 1,
            attempt_until: None,
            attempts: 0,
            looks: 0,
            unanswered: 0,
            unheard: 0,
            object: None,
            reason: None,
        }
    }

    /// What is to be done now. Derived from the stored record alone.
    #[must_use]
    pub fn step(&self, now: Time) -> RecordStep {
        let Some(due_at) = self.due_at else {
            return RecordStep::Nothing;
        };
        if self.state.is_terminal() {
            return RecordStep::Nothing;
        }
        if self.is_over(now) {
            return RecordStep::Apply(RecordEvent::DeadlinePassed);
        }
        let attempting = matches!(self.state, RecordState::Starting | RecordState::Processing);
        if attempting && self.attempt_until.is_some_and(|until| now >= until) {
            return RecordStep::Apply(RecordEvent::AttemptOver);
        }
        if now < due_at {
            return RecordStep::Wait(due_at);
        }
        match self.state {
            RecordState::Waiting => RecordStep::Claim,
            RecordState::Starting | RecordState::Processing => RecordStep::Repeat,
            RecordState::Offered | RecordState::Fetching => RecordStep::Apply(RecordEvent::FetchBroken),
            RecordState::Available | RecordState::Empty | RecordState::Failed => RecordStep::Nothing,
        }
    }

    /// Whether its time is over. A transfer that runs has a bound of its own: the record is here, or will be asked for
    /// again, and then the time is over.
    fn is_over(&self, now: Time) -> bool {
        now >= self.expires_at && self.state != RecordState::Fetching
    }

    /// Whether what was asked for is there, be it nothing.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        matches!(self.state, RecordState::Available | RecordState::Empty)
    }

    /// When the patient's lock lapses, if it is not given back before: after the life of the record, over all its
    /// attempts, and that of a query, or of a transfer, which begins at its very end.
    #[must_use]
    pub fn lock_until(&self, timing: Timing) -> Time {
        self.expires_at.plus(timing.consolidated_life().max(timing.transfer()))
    }

    /// The state as a reader sees it: expired even if no process wrote that.
    #[must_use]
    pub fn shown_state(&self, now: Time) -> RecordState {
        if !self.state.is_terminal() && self.is_over(now) {
            RecordState::Failed
        } else {
            self.state
        }
    }

    /// Whether a delivery is the answer to what we asked: same request, same patient, same subject, no other filters.
    /// While a start is on its way, it is one only if its request is known to nobody yet: `correlated` says so, and
    /// that our metadata names this record. The query that ran before may have ended and another have begun, whose file
    /// takes the place of its own. Where several starts have no answer, be it of attempts before, nobody
    /// knows which query is the last.
    #[must_use]
    pub fn awaits(&self, delivered: &Delivered, correlated: bool) -> bool {
        let request = match (self.state, &self.request) {
            (RecordState::Starting, _) => correlated && self.unanswered == 1 && self.unheard == 0,
            (_, Some(request)) => delivered.request.as_ref() == Some(request),
            (_, None) => false,
        };
        let subject = delivered
            .subject
            .as_ref()
            .is_none_or(|subject| *subject == self.patient);
        let linked = delivered.subject.is_some() || !delivered.has_link;
        request && subject && linked && delivered.patient == self.patient && self.asked.agrees_with(&delivered.filters)
    }
}
