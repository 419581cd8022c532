//! Metriport's answer about a consolidated query that it starts, or that runs already.

use serde::Deserialize;

use crate::domain::UpstreamRequestId;
use crate::domain::record::RecordQuery;
use crate::metriport::UpstreamError;
use crate::metriport::send::UpstreamReply;
use crate::metriport::tolerant;

/// A consolidated query that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsolidatedQuery {
    /// Metriport's id of the query, which correlates the webhook.
    pub request: UpstreamRequestId,
    conversion: Option<String>,
}

impl ConsolidatedQuery {
    /// A query that has just begun.
    #[must_use]
    pub const fn begun(request: UpstreamRequestId) -> Self {
        Self {
            request,
            conversion: None,
        }
    }

    /// Whether the answer names another form than we asked for. Filters are not compared here, because Metriport echoes
    /// them in more than one spelling. They are compared when the webhook delivers the document.
    pub(super) fn is_of_another_form(&self, query: &RecordQuery) -> bool {
        self.conversion
            .as_deref()
            .is_some_and(|form| form != query.conversion.as_str())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    request_id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    conversion_type: Option<String>,
}

/// Reads the answer to a start. It must have a request id, because without one the query's webhook could not be
/// recognised.
pub(super) fn started(reply: &UpstreamReply) -> Result<ConsolidatedQuery, UpstreamError> {
    let wire: Wire = reply.json()?;
    let request = wire.request_id.and_then(|id| UpstreamRequestId::parse(id).ok());
    Ok(ConsolidatedQuery {
        request: reply.required(request)?,
        conversion: wire.conversion_type,
    })
}
