//! One consolidated record: a consolidated query at Metriport, a transfer into our bucket, and the stored object.
//!
//! Metriport keeps one file per patient and format, and a later query overwrites it. Only one record of a patient is
//! therefore worked on at a time, under a lock that is held until the transfer has ended.
//!
//! The same start is safe to repeat: with equal parameters Metriport returns the query that runs (docs.metriport.com,
//! page `fhir/consolidated-data-query-post`). A repeated start thus also shows the state of the query. The same id
//! means that the query still runs. Another id means that the query ended without a delivery, and that the repeated
//! start began the next attempt (decision 0010).

mod apply;
mod open;
mod query;
#[cfg(test)]
pub(super) mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use open::{OPEN_MAX, OpenRecord, OpenRecords};
pub use query::{Conversion, Delivered, RESOURCE_TYPES, RecordQuery};

use super::log::Access;
use super::patient::PatientComparison;
use super::person_root::Grant;
use super::pull::RecordPhase;
use super::{PatientId, PullId, RecordId, Time, Timing, UpstreamRequestId};

/// Maximum number of a record's consolidated queries. A record that would need more fails.
pub const ATTEMPTS_MAX: u32 = 12;

/// The state of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordState {
    /// Waits for the patient's lock or for a retry.
    Waiting,
    /// Holds the lock. A start is being sent, or was sent without an answer.
    Starting,
    /// Metriport consolidates.
    Processing,
    /// Metriport sent a link, and the transfer has not begun.
    Offered,
    /// The transfer runs.
    Fetching,
    /// The object is in the bucket.
    Available,
    /// Metriport has no data for the request.
    Empty,
    /// The record could not be fetched.
    Failed,
}

impl RecordState {
    /// Whether the state is final.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Available | Self::Empty | Self::Failed)
    }

    /// The code, as stored and shown.
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

    /// Whether a record in this state holds the patient's lock for consolidated queries.
    #[must_use]
    pub const fn holds_lock(self) -> bool {
        matches!(self, Self::Starting | Self::Processing | Self::Offered | Self::Fetching)
    }
}

/// Why a record failed; a closed list of codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordReason {
    /// Metriport refused the consolidated query.
    UpstreamRefused,
    /// Metriport's consolidation failed.
    ConversionFailed,
    /// Metriport was asked too often without a result.
    AttemptsExhausted,
    /// The life of the record ended without a result.
    Expired,
    /// The delivered file is not a FHIR Bundle.
    NotABundle,
    /// The delivered file is too large, or grows too much when unpacked.
    TooLarge,
    /// The link does not meet the rules for record links.
    LinkRefused,
    /// The person withdrew their consent before the record was stored.
    ConsentWithdrawn,
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
    /// The comparison of the record's Patients with the person. PDF and HTML cannot be compared, and records of earlier
    /// versions were not.
    #[serde(default)]
    pub comparison: PatientComparison,
}

/// One consolidated record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Its id.
    pub id: RecordId,
    /// The pull it belongs to, unless the person asked for it.
    #[serde(rename = "run", default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<PullId>,
    /// The phase of its pull.
    pub phase: RecordPhase,
    /// The patient.
    pub patient: PatientId,
    /// The person's grant under which it was requested.
    #[serde(default, skip_serializing_if = "Grant::is_unconditional")]
    pub grant: Grant,
    /// The form and the filters.
    #[serde(rename = "asked")]
    pub query: RecordQuery,
    /// Its state.
    pub state: RecordState,
    /// Metriport's id of the consolidated query. While a repeated start has no answer, this is the id of the previous
    /// query.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<UpstreamRequestId>,
    /// When it was asked for.
    pub created_at: Time,
    /// The end of the record's life: no attempt begins after it.
    pub expires_at: Time,
    /// When it reached a terminal state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Time>,
    /// When `query-dispatch` must look at the record again; `None` once the record waits for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Time>,
    /// Numbers the due work: an `advance` message with another number is stale.
    pub due_seq: u64,
    /// Counts every write.
    pub version: u64,
    /// The time until which the current consolidated query is awaited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_until: Option<Time>,
    /// Number of consolidated queries begun.
    #[serde(default)]
    pub attempts: u32,
    /// Number of repeated starts since the current query became known, or since the lock was taken.
    #[serde(default)]
    pub looks: u32,
    /// Number of starts of this attempt since the last answer; each may have begun a query.
    #[serde(default)]
    pub unanswered: u32,
    /// Number of unanswered starts before the last answer, or of earlier attempts; each may still cause a delivery.
    #[serde(default)]
    pub unheard: u32,
    /// The object in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<StoredObject>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<RecordReason>,
}

/// The content of a new record.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// Its id.
    pub id: RecordId,
    /// The pull it belongs to.
    pub pull: Option<PullId>,
    /// The phase of its pull.
    pub phase: RecordPhase,
    /// The patient.
    pub patient: PatientId,
    /// The person's grant.
    pub grant: Grant,
    /// The form and the filters.
    pub query: RecordQuery,
}

/// An event of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordEvent {
    /// The lock is taken; the call follows.
    Claimed,
    /// The record repeats the same start; the call follows.
    Repeated,
    /// Another record of the patient holds the lock.
    LockBusy,
    /// Metriport answered a start: with a new query, or with the one that runs.
    Started(UpstreamRequestId),
    /// The start was not made or certainly had no effect. The next attempt is at this time.
    StartDeferred(Time),
    /// The call ended without an answer; repeating it is safe.
    StartUnknown,
    /// Metriport refused the start.
    StartRefused,
    /// The webhook of the query came: with a link, without data, or with a failure.
    Delivered(RecordDelivery, Option<UpstreamRequestId>),
    /// The intent to transfer is written; the transfer follows.
    FetchClaimed,
    /// The link was dead or the transfer broke.
    FetchBroken,
    /// The link breaks the rules for record links, or its file cannot be kept.
    FetchRefused(RecordReason),
    /// The object is in the bucket.
    Stored(StoredObject),
    /// The current consolidated query did not end in time, or its delivery did not come.
    AttemptOver,
    /// The life of the record ended without a result.
    DeadlinePassed,
    /// The person withdrew their consent.
    ConsentWithdrawn,
}

/// The content of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordDelivery {
    /// A link to follow.
    Link,
    /// Metriport has no data for the request.
    Nothing,
    /// The consolidation failed.
    Failure,
}

/// The effect of an event on a record, and the writes that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordChange {
    /// The changed record.
    pub record: Record,
    /// A request id that must be stored to correlate webhooks.
    pub binds: Option<UpstreamRequestId>,
    /// Whether the patient's lock must be taken.
    pub locks: bool,
    /// Whether the patient's lock must be released.
    pub unlocks: bool,
    /// The earlier deadline of the patient's lock: until then, the record's last query may run.
    pub shortens: Option<Time>,
    /// Whether a call to Metriport or a transfer follows that needs the record's grant.
    pub calls: bool,
}

impl RecordChange {
    /// The access for which the change leaves an entry: the record was stored. A stored record never changes again.
    #[must_use]
    pub fn access(&self) -> Option<Access> {
        (self.record.state == RecordState::Available).then_some(Access::RecordStored)
    }
}

/// The next step of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordStep {
    /// Take the lock and start the consolidated query.
    Claim,
    /// Repeat the start for which the lock is held.
    Repeat,
    /// Apply an event that only the clock causes.
    Apply(RecordEvent),
    /// Wait until this time.
    Wait(Time),
    /// Do nothing.
    Nothing,
}

impl Record {
    /// Makes a record that is due at once.
    #[must_use]
    pub fn ask(new: NewRecord, now: Time, timing: Timing) -> Self {
        Self {
            id: new.id,
            pull: new.pull,
            phase: new.phase,
            patient: new.patient,
            grant: new.grant,
            query: new.query,
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

    /// The step that is due at `now`. It depends only on the stored record and on `now`.
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

    /// Whether the record's life is over. A running transfer may continue past this time, because it has its own limit.
    fn is_over(&self, now: Time) -> bool {
        now >= self.expires_at && self.state != RecordState::Fetching
    }

    /// Whether the record has a result, even an empty one.
    #[must_use]
    pub const fn is_served(&self) -> bool {
        matches!(self.state, RecordState::Available | RecordState::Empty)
    }

    /// Whether a transfer of the record may still run. A withdrawal ends the record, but not its transfer.
    #[must_use]
    pub fn may_arrive(&self, now: Time, timing: Timing) -> bool {
        match self.state {
            RecordState::Failed => self.ended_at.is_some_and(|ended| now < ended.plus(timing.transfer())),
            state => !state.is_terminal(),
        }
    }

    /// Whether the record is stored and one of its Patients differs from the person.
    #[must_use]
    pub fn differs(&self) -> bool {
        let object = self.object.as_ref();
        object.is_some_and(|object| object.comparison != PatientComparison::NotComparable)
    }

    /// When the patient's lock expires if it is not released: after the record's life and the longest query or transfer
    /// that can begin in it.
    #[must_use]
    pub fn lock_until(&self, timing: Timing) -> Time {
        self.expires_at.plus(timing.consolidated_life().max(timing.transfer()))
    }

    /// The state that the API shows. A record whose life is over is shown as failed, even if no process has written the
    /// failure yet.
    #[must_use]
    pub fn shown_state(&self, now: Time) -> RecordState {
        if !self.state.is_terminal() && self.is_over(now) {
            RecordState::Failed
        } else {
            self.state
        }
    }

    /// Whether a delivery answers our request: it has the same request id, patient and subject, and none of its filters
    /// contradicts the request.
    ///
    /// In [`RecordState::Starting`], the request id of the query is not stored yet. A delivery then counts only if it
    /// is `correlated`: our metadata in it and the patient's lock both name this record. A delivery of the previous
    /// query does not count, because another query may have begun and overwritten its file. If several starts are
    /// unanswered, even before the last answer, the last query is unknown, and no delivery counts.
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
        request && subject && linked && delivered.patient == self.patient && self.query.agrees_with(&delivered.filters)
    }
}
