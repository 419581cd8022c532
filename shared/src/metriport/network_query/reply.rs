//! Metriport's answer about a network query; start and status have the same shape.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::fold::{WireError, WireSource, overall, reports};
use crate::domain::pull::{QueryReport, Reported, SourceOutcome};
use crate::domain::{SourceKind, Time, UpstreamRequestId};
use crate::metriport::send::UpstreamReply;
use crate::metriport::tolerant::{self, wire_word};
use crate::metriport::{Mentions, UpstreamError};

/// The state of a network query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkQuery {
    /// Metriport's id of the query, which correlates webhooks and status.
    pub request: UpstreamRequestId,
    /// The state as a whole.
    pub status: NetworkQueryStatus,
    /// When the query began, if the answer states it.
    pub started_at: Option<Time>,
    /// One report per kind of source. A kind that was asked for may be missing.
    pub sources: BTreeMap<SourceKind, SourceReport>,
}

wire_word! {
    /// The state of a query as a whole.
    NetworkQueryStatus {
        /// A source is still running.
        Processing = "processing" | "in-progress",
        /// Every source answered.
        Completed = "completed",
        /// Some sources answered, the others failed.
        Partial = "partial",
        /// No source answered.
        Failed = "failed",
    }
}

wire_word! {
    /// The state of a source.
    SourceState {
        /// The source is running.
        Processing = "processing" | "in-progress",
        /// The source answered, perhaps without data. A source that was skipped also counts as answered, as in the
        /// published package.
        Completed = "completed" | "skipped",
        /// The source did not start, or did not answer.
        Failed = "failed",
    }
}

/// The report about one kind of source, folded from the reports of its providers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceReport {
    /// The state.
    pub state: SourceState,
    /// When the first of its providers began.
    pub started_at: Option<Time>,
    /// When the last of its providers ended, if all have ended.
    pub completed_at: Option<Time>,
    /// The status in the error of a source that did not start. Metriport sends 400 if the source is not enabled for the
    /// account, 429 for its rate limit, and 500 for an unexpected error.
    pub http_status: Option<u16>,
    /// The subject of the source's error. Metriport may refuse the AAL2 session here, instead of refusing the whole
    /// call.
    pub mentions: Mentions,
}

impl SourceState {
    /// How the source ended; `None` while it runs, or for an unknown word.
    #[must_use]
    pub const fn outcome(&self) -> Option<SourceOutcome> {
        match self {
            Self::Completed => Some(SourceOutcome::Completed),
            Self::Failed => Some(SourceOutcome::Failed),
            Self::Processing | Self::Unknown(_) => None,
        }
    }
}

impl From<&NetworkQuery> for QueryReport {
    fn from(query: &NetworkQuery) -> Self {
        let overall = match query.status {
            NetworkQueryStatus::Completed => Some(SourceOutcome::Completed),
            NetworkQueryStatus::Failed => Some(SourceOutcome::Failed),
            NetworkQueryStatus::Processing | NetworkQueryStatus::Partial | NetworkQueryStatus::Unknown(_) => None,
        };
        let is_final = matches!(
            query.status,
            NetworkQueryStatus::Completed | NetworkQueryStatus::Partial | NetworkQueryStatus::Failed
        );
        let reported = |(source, report): (&SourceKind, &SourceReport)| Reported {
            source: *source,
            outcome: report.state.outcome(),
            http_status: report.http_status,
        };
        Self {
            overall,
            is_final,
            sources: query.sources.iter().map(reported).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    request_id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::time")]
    started_at: Option<Time>,
    #[serde(default, deserialize_with = "tolerant::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "tolerant::list")]
    sources: Vec<WireSource>,
    #[serde(default, deserialize_with = "tolerant::list")]
    errors: Vec<WireError>,
}

/// Reads the answer to a start. It must have a request id, because without one the query could not be recognised later.
pub(super) fn started(reply: &UpstreamReply) -> Result<NetworkQuery, UpstreamError> {
    let wire: Wire = reply.json()?;
    let request = wire.request_id.clone().and_then(|id| UpstreamRequestId::parse(id).ok());
    Ok(wire.into_query(reply.required(request)?))
}

/// Reads the answer to a status call. An answer about another query is garbage.
pub(super) fn of_request(reply: &UpstreamReply, request: &UpstreamRequestId) -> Result<NetworkQuery, UpstreamError> {
    let wire: Wire = reply.json()?;
    match &wire.request_id {
        Some(other) if other != request.as_str() => Err(reply.garbage()),
        None if wire.status.is_none() && wire.sources.is_empty() => Err(reply.garbage()),
        Some(_) | None => Ok(wire.into_query(request.clone())),
    }
}

impl Wire {
    fn into_query(self, request: UpstreamRequestId) -> NetworkQuery {
        let sources = reports(&self.sources, &self.errors);
        let status = match self.status {
            Some(word) => NetworkQueryStatus::from_wire(&word),
            None => overall(&sources),
        };
        NetworkQuery {
            request,
            status,
            started_at: self.started_at,
            sources,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(json: serde_json::Value) -> NetworkQuery {
        let wire: Wire = serde_json::from_value(json).unwrap();
        wire.into_query(UpstreamRequestId::parse("r").unwrap())
    }

    fn source(kind: &str, status: &str) -> serde_json::Value {
        serde_json::json!({"type": kind, "status": status})
    }

    #[test]
    fn missing_status_follows_from_the_sources() {
        let of = |words: &[&str]| {
            let kinds = ["hie", "pharmacy", "lab"];
            let sources: Vec<_> = kinds.iter().zip(words).map(|(kind, word)| source(kind, word)).collect();
            query(serde_json::json!({"sources": sources})).status
        };
        assert_eq!(of(&[]), NetworkQueryStatus::Processing);
        assert_eq!(of(&["completed", "in-progress"]), NetworkQueryStatus::Processing);
        assert_eq!(of(&["completed", "hibernating"]), NetworkQueryStatus::Processing);
        assert_eq!(of(&["completed", "completed"]), NetworkQueryStatus::Completed);
        assert_eq!(of(&["failed", "completed", "failed"]), NetworkQueryStatus::Partial);
        assert_eq!(of(&["failed"]), NetworkQueryStatus::Failed);
    }

    #[test]
    fn reports_of_providers_are_folded_by_kind() {
        let folded = query(serde_json::json!({"sources": [
            {"type": "hie", "status": "failed",
             "startedAt": "2026-11-22T11:24:02Z", "completedAt": "2026-11-22T11:25:00Z"},
            {"type": "hie", "status": "completed",
             "startedAt": "2026-11-22T11:24:01Z", "completedAt": "2026-11-22T11:27:00Z"},
            {"type": "lab", "status": "completed", "completedAt": "2026-11-22T11:27:00Z"},
            {"type": "lab", "status": "processing"},
            {"type": "pharmacy", "status": "skipped"},
        ]}));
        let hie = &folded.sources[&SourceKind::Hie];
        assert_eq!(hie.state, SourceState::Completed);
        assert_eq!(hie.started_at, Time::parse("2026-11-22T11:24:01Z").ok());
        assert_eq!(hie.completed_at, Time::parse("2026-11-22T11:27:00Z").ok());
        let lab = &folded.sources[&SourceKind::Lab];
        assert_eq!((&lab.state, lab.completed_at), (&SourceState::Processing, None));
        assert_eq!(folded.sources[&SourceKind::Pharmacy].state, SourceState::Completed);
    }

    #[test]
    fn error_does_not_end_a_kind_with_a_running_provider() {
        let mixed = query(serde_json::json!({
            "sources": [source("hie", "processing"), source("pharmacy", "failed")],
            "errors": [{"source": "hie", "httpStatus": 500}, {"source": "pharmacy", "httpStatus": 429},
                       {"source": "lab", "httpStatus": 401, "message": "x"}, {"source": "imaging", "httpStatus": 400}]
        }));
        let outcomes: Vec<_> = mixed
            .sources
            .iter()
            .map(|(kind, r)| (*kind, r.state.outcome(), r.http_status))
            .collect();
        assert_eq!(
            outcomes,
            [
                (SourceKind::Hie, None, Some(500)),
                (SourceKind::Pharmacy, Some(SourceOutcome::Failed), Some(429)),
                (SourceKind::Lab, Some(SourceOutcome::Failed), Some(401)),
            ]
        );
        assert!(mixed.sources[&SourceKind::Lab].mentions.aal2);
        assert!(!mixed.sources[&SourceKind::Hie].mentions.aal2);
    }
}
