//! `POST /settings/webhook/retry` (docs.metriport.com, page `settings/retry-webhook`). The answer is a text without
//! information.

use reqwest::Method;

use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

pub(super) async fn retry(client: &Client) -> Result<(), UpstreamError> {
    let call = UpstreamCall::new(Operation::RetryWebhooks, Method::POST, ["settings", "webhook", "retry"]);
    client.send(call).await.map(drop)
}
