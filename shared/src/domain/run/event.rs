//! The events of a run. The timeline keeps them: codes, ids and states, never clinical data.

use serde::{Deserialize, Serialize};

use super::FailureReason;
use crate::domain::{SourceKind, SourceStatus, Time, UpstreamRequestId};

/// An event of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum RunEvent {
    /// The intent to start is written; the call follows.
    StartClaimed,
    /// Metriport answered the start.
    Started {
        /// Metriport's id of the query.
        request: UpstreamRequestId,
        /// Metriport's report on the sources.
        report: QueryReport,
    },
    /// The start was not made or certainly had no effect. It is tried again.
    StartDeferred {
        /// The cause.
        cause: Deferral,
        /// Until when.
        until: Time,
    },
    /// Metriport refused the start.
    StartRefused {
        /// The reason.
        reason: FailureReason,
    },
    /// The call ended without showing whether the query started. The call is never repeated.
    StartUnknown,
    /// The wait ended, and nothing proved that the query started.
    StartStayedUnknown,
    /// The AAL2 session ended before the start.
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
}

/// Why a start is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferral {
    /// No byte was written.
    NotSent,
    /// Metriport's rate limit.
    RateLimited,
    /// Our own budget, which keeps that limit, planned another time.
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

/// Metriport's report on a query; start and status replies share this shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct QueryReport {
    /// The overall outcome, once it is the same for every source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall: Option<SourceOutcome>,
    /// Whether Metriport's query has ended, which it does after its last source. Timelines do not hold this.
    #[serde(skip)]
    pub is_final: bool,
    /// The reports on single sources.
    #[serde(default)]
    pub sources: Vec<Reported>,
}

impl QueryReport {
    /// The end of a source by the report on it alone, and the HTTP status if it did not start.
    #[must_use]
    pub fn ending(&self, kind: SourceKind) -> Option<(SourceOutcome, Option<u16>)> {
        let of_it = self.sources.iter().filter(|said| said.source == kind);
        let mut ended = of_it.filter_map(|said| Some((said.outcome?, said.http_status)));
        ended.next()
    }
}

/// Metriport's report on one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The source.
    pub source: SourceKind,
    /// The outcome; `None` while the source is processed, or if we do not know its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<SourceOutcome>,
    /// The HTTP status of a source that did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}
