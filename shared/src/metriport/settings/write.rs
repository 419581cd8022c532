//! `POST /settings` (docs.metriport.com, page `settings/post-settings`).

use reqwest::Method;
use serde::Serialize;

use super::{Settings, reply};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

/// Metriport refuses unknown properties here, unlike elsewhere.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    webhook_url: &'a str,
}

/// Sets the webhook URL; an empty URL clears it.
pub(super) async fn set_webhook_url(client: &Client, url: &str) -> Result<Settings, UpstreamError> {
    let body = Body { webhook_url: url };
    let call = UpstreamCall::new(Operation::WriteSettings, Method::POST, ["settings"]).json(&body);
    reply::settings(&client.send(call).await?)
}
