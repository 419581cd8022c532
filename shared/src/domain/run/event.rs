//! What can happen to a run. The timeline keeps these: codes, ids and states, never clinical data.

use serde::{Deserialize, Serialize};

use super::Reason;
use crate::domain::{SourceKind, SourceStatus, Time, UpstreamRequestId};

/// Something that happened to a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum RunEvent {
    /// The intent to start is written; the call follows.
    StartClaimed,
    /// Upstream answered the start.
    Started {
        /// Its id of the query.
        request: UpstreamRequestId,
        /// What it says of the sources.
        report: Report,
    },
    /// The start was not made or certainly had no effect, and is tried again.
    StartDeferred {
        /// Why.
        cause: Deferral,
        /// When.
        until: Time,
    },
    /// Upstream refused the start.
    StartRefused {
        /// Why.
        reason: Reason,
    },
    /// The call ended without saying whether the query started. It is never repeated.
    StartUnknown,
    /// Nothing proved within the wait that the query started.
    StartStayedUnknown,
    /// The AAL2 session ended before the start.
    StartTooLate,
    /// A source reported, by webhook.
    SourceReported {
        /// Which.
        source: SourceKind,
        /// How it ended.
        status: Outcome,
        /// The query it belongs to.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        request: Option<UpstreamRequestId>,
    },
    /// Upstream's status was read.
    Polled {
        /// What it said.
        report: Report,
    },
    /// Upstream's status could not be read this time.
    PollFailed {
        /// When to try again.
        until: Time,
    },
    /// The deadline for the sources has passed.
    DeadlinePassed,
    /// The final record is still on its way.
    RecordAwaited {
        /// When to look again.
        until: Time,
    },
    /// The final record is in the bucket, or there is nothing to fetch.
    RecordEnded {
        /// Whether it could be had.
        available: bool,
    },
}

/// Why a start is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deferral {
    /// No byte was written.
    NotSent,
    /// Upstream's rate limit.
    RateLimited,
    /// Our own budget, which keeps that limit: another time is planned.
    Budget,
}

/// How a source ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It answered.
    Completed,
    /// It did not.
    Failed,
}

impl From<Outcome> for SourceStatus {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Completed => Self::Completed,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// What upstream says of a query: start and status replies share this shape.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The overall outcome, once there is one for every source alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub overall: Option<Outcome>,
    /// Whether upstream's query has ended, which it does not before its last source. Timelines do not hold it.
    #[serde(skip)]
    pub is_final: bool,
    /// What is said of single sources.
    #[serde(default)]
    pub sources: Vec<Reported>,
}

impl Report {
    /// How a source ended by what is said of it alone, and the HTTP status of one that did not start.
    #[must_use]
    pub fn ending(&self, kind: SourceKind) -> Option<(Outcome, Option<u16>)> {
        let of_it = self.sources.iter().filter(|said| said.source == kind);
        let mut ended = of_it.filter_map(|said| Some((said.outcome?, said.http_status)));
        ended.next()
    }
}

/// What upstream says of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// Which.
    pub source: SourceKind,
    /// How far it is: `None` while it is processed, or in a word we do not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// The HTTP status of a source that did not start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
}
