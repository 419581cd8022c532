//! `GET /settings` (docs.metriport.com, page `settings/get-settings`).

use reqwest::Method;

use super::{Settings, reply};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

pub(super) async fn read(client: &Client) -> Result<Settings, UpstreamError> {
    let call = UpstreamCall::new(Operation::ReadSettings, Method::GET, ["settings"]);
    reply::settings(&client.send(call).await?)
}
