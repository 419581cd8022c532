//! What upstream says of the account's settings.

use secrecy::SecretString;
use serde::Deserialize;

use crate::metriport::send::Reply;
use crate::metriport::{UpstreamError, tolerant};

/// The account's settings. `Debug` does not show the key.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whose they are: the account's id.
    pub account: Option<String>,
    /// Where webhooks go.
    pub webhook_url: Option<String>,
    /// What signs them.
    pub webhook_key: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    #[serde(default, deserialize_with = "tolerant::text")]
    id: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    webhook_url: Option<String>,
    #[serde(default, deserialize_with = "tolerant::text")]
    webhook_key: Option<String>,
}

pub(super) fn settings(reply: &Reply) -> Result<Settings, UpstreamError> {
    let wire: Wire = reply.json()?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Settings {
        account: filled(wire.id),
        webhook_url: filled(wire.webhook_url),
        webhook_key: filled(wire.webhook_key).map(SecretString::from),
    })
}
