//! The events of a pull. The timeline keeps them, so they hold codes, ids and states, but never clinical data.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::FailureReason;
use crate::domain::{RecordId, SourceKind, SourceStatus, Time, UpstreamRequestId};

/// One line of a pull's timeline: the event, its time, and the record it made, if any. It holds no clinical data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TimelineEntry {
    /// The pull's version after the event; 1 is the acceptance.
    pub n: u64,
    /// When the line was written.
    pub at: Time,
    /// The event; `None` for the acceptance itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<PullEvent>,
    /// The record that the event made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<RecordId>,
}

impl TimelineEntry {
    /// The event as the API shows it, with its time `until` as text.
    #[must_use]
    pub fn shown_event(&self) -> Value {
        let Some(event) = &self.event else {
            return json!({ "code": "accepted" });
        };
        let mut event = json!(event);
        let until = event.get("until").and_then(Value::as_i64);
        if let (Some(until), Some(fields)) = (until, event.as_object_mut()) {
            fields.insert("until".to_owned(), Value::String(Time::from_millis(until).to_string()));
        }
        event
    }
}

/// An event of a pull.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum PullEvent {
    /// The intent to start is written; the call follows.
    StartClaimed,
    /// Metriport answered the start.
    Started {
        /// Metriport's id of the query.
        request: UpstreamRequestId,
        /// Metriport's report on the sources.
        report: QueryReport,
    },
    /// The start was not made or certainly had no effect. It will be tried again.
    StartDeferred {
        /// Why the start was not made or had no effect.
        cause: Deferral,
        /// When the start is tried again.
        until: Time,
    },
    /// Metriport refused the start.
    StartRefused {
        /// The reason.
        reason: FailureReason,
    },
    /// The call ended without showing whether the query started. The call is never repeated.
    StartUnknown,
    /// The wait for a webhook ended, and nothing proved that the query started.
    StartStayedUnknown,
    /// The AAL2 session ended before the start was sent.
    StartTooLate,
    /// A webhook reported a source's end.
    SourceReported {
        /// The source.
        source: SourceKind,
        /// How it ended.
        status: SourceOutcome,
        /// The query that the source belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<UpstreamRequestId>,
    },
    /// Metriport's status was read.
    Polled {
        /// Metriport's report.
        report: QueryReport,
    },
    /// Metriport's status was not read this time.
    PollFailed {
        /// When to try again.
        until: Time,
    },
    /// The deadline for the sources has passed.
    DeadlinePassed,
    /// The final record has not ended yet.
    RecordAwaited {
        /// When to look again.
        until: Time,
    },
    /// The final record has ended.
    RecordEnded {
        /// Whether it is available or empty.
        available: bool,
    },
    /// The person withdrew their consent. The withdrawal itself removes the AAL2 session.
    ConsentWithdrawn,
    /// An operator deleted the records that were quarantined. Only an expired pull changes.
    RecordsPurged,
}

/// Why a start is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferral {
    /// No byte of the request was sent.
    NotSent,
    /// Metriport's rate limit refused the start.
    RateLimited,
    /// Our rate budget, which keeps Metriport's limit, planned a later time.
    Budget,
}

/// How a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceOutcome {
    /// The source answered.
    Completed,
    /// The source did not answer.
    Failed,
}

impl From<SourceOutcome> for SourceStatus {
    fn from(outcome: SourceOutcome) -> Self {
        match outcome {
            SourceOutcome::Completed => Self::Completed,
            SourceOutcome::Failed => Self::Failed,
        }
    }
}

/// Metriport's report on a query. The replies to a start and to a status read have the same form.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryReport {
    /// The overall outcome; `None` while sources run, or if their outcomes differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall: Option<SourceOutcome>,
    /// Whether Metriport's query has ended, which it does after its last source. The stored timeline lacks this value.
    #[serde(skip)]
    pub is_final: bool,
    /// The reports on single sources.
    #[serde(default)]
    pub sources: Vec<Reported>,
}

impl QueryReport {
    /// The outcome of a source according to its own report, and the HTTP status if the source did not start.
    #[must_use]
    pub fn ending(&self, kind: SourceKind) -> Option<(SourceOutcome, Option<u16>)> {
        let of_it = self.sources.iter().filter(|report| report.source == kind);
        let mut ended = of_it.filter_map(|report| Some((report.outcome?, report.http_status)));
        ended.next()
    }
}

/// Metriport's report on one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The source.
    pub source: SourceKind,
    /// The outcome; `None` while the source runs, or if we do not know the word for its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<SourceOutcome>,
    /// The HTTP status of a source that did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}
