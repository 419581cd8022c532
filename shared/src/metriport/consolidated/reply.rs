//! What upstream says of a consolidated query; start and status answer alike.

use serde::Deserialize;

use crate::domain::record::Asked;
use crate::domain::{Time, UpstreamRequestId};
use crate::metriport::UpstreamError;
use crate::metriport::send::Reply;
use crate::metriport::tolerant::{self, wire_word};

/// A consolidated query, as far as it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolidatedQuery {
    /// Correlates webhook and status.
    pub request: UpstreamRequestId,
    /// Where it stands.
    pub status: ConsolidatedStatus,
    /// When it began, if the answer says so.
    pub started_at: Option<Time>,
    conversion: Option<String>,
}

wire_word! {
    /// Where a consolidated query stands.
    ConsolidatedStatus {
        /// At work.
        Processing = "processing" | "in-progress",
        /// Done; a webhook was sent.
        Completed = "completed",
        /// Failed.
        Failed = "failed",
    }
}

impl ConsolidatedQuery {
    /// One that has just begun.
    #[must_use]
    pub const fn begun(request: UpstreamRequestId) -> Self {
        Self {
            request,
            status: ConsolidatedStatus::Processing,
            started_at: None,
            conversion: None,
        }
    }

    /// Whether the answer is about another form than was asked; one that does not say is not. Filters are compared on
    /// the delivery, where a document hangs on them: here they are echoed in more than one spelling.
    pub(super) fn is_of_another_form(&self, asked: &Asked) -> bool {
        self.conversion
            .as_deref()
            .is_some_and(|said| said != asked.conversion.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    request_id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    status: Option<String>,
    #[serde(default, deserialize_with = "tolerant::time")]
    started_at: Option<Time>,
    #[serde(default, deserialize_with = "tolerant::text")]
    conversion_type: Option<String>,
}

/// The answer of a start; without a request id nobody could tell the query again.
pub(super) fn started(reply: &Reply) -> Result<ConsolidatedQuery, UpstreamError> {
    let wire: Wire = reply.json()?;
    let request = wire.request_id.clone().and_then(|id| UpstreamRequestId::parse(id).ok());
    Ok(wire.into_query(reply.required(request)?))
}

/// The answer of a status call; one about another query is none.
pub(super) fn of_request(reply: &Reply, asked: &UpstreamRequestId) -> Result<ConsolidatedQuery, UpstreamError> {
    let wire: Wire = reply.json()?;
    match &wire.request_id {
        Some(other) if other != asked.as_str() => Err(reply.garbage()),
        None if wire.status.is_none() => Err(reply.garbage()),
        Some(_) | None => Ok(wire.into_query(asked.clone())),
    }
}

impl Wire {
    fn into_query(self, request: UpstreamRequestId) -> ConsolidatedQuery {
        let status = ConsolidatedStatus::from_wire(self.status.as_deref().unwrap_or_default());
        ConsolidatedQuery {
            request,
            status,
            started_at: self.started_at,
            conversion: self.conversion_type,
        }
    }
}
