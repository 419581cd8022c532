//! `GET /settings/webhook` (docs.metriport.com, page `settings/get-webhook`).

use reqwest::Method;
use serde::Deserialize;

use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError, tolerant};

/// The state of deliveries. Metriport's free-text detail is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookStatus {
    /// Whether the last delivery worked, if the answer states it. A `false` does not stop later deliveries.
    pub enabled: Option<bool>,
    /// Deliveries that are running.
    pub processing: u64,
    /// Deliveries that failed and wait for [`super::WebhookReplay::retry_webhooks`].
    pub failed: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::flag")]
    webhook_enabled: Option<bool>,
    #[serde(default, deserialize_with = "tolerant::count")]
    webhook_requests_processing: Option<u64>,
    #[serde(default, deserialize_with = "tolerant::count")]
    webhook_requests_failed: Option<u64>,
}

pub(super) async fn read(client: &Client) -> Result<Option<WebhookStatus>, UpstreamError> {
    let reply = client
        .send(UpstreamCall::new(
            Operation::ReadWebhookStatus,
            Method::GET,
            ["settings", "webhook"],
        ))
        .await?;
    if reply.is_empty() {
        return Ok(None);
    }
    Ok(reply.json::<Option<Wire>>()?.and_then(Wire::status))
}

impl Wire {
    /// `None` for an empty object, which means that no settings exist. Otherwise a missing count is zero.
    fn status(self) -> Option<WebhookStatus> {
        let counts = (self.webhook_requests_processing, self.webhook_requests_failed);
        if self.webhook_enabled.is_none() && counts == (None, None) {
            return None;
        }
        let (processing, failed) = (counts.0.unwrap_or(0), counts.1.unwrap_or(0));
        Some(WebhookStatus {
            enabled: self.webhook_enabled,
            processing,
            failed,
        })
    }
}
