//! Metriport's answer about the account's settings.

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::metriport::send::UpstreamReply;
use crate::metriport::{UpstreamError, tolerant};

/// The account's settings. `Debug` shows neither the key nor the account.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The account's id, as Metriport writes it.
    pub account: Option<SecretString>,
    /// The webhook URL.
    pub webhook_url: Option<String>,
    /// The key that signs webhooks.
    pub webhook_key: Option<SecretString>,
}

impl Settings {
    /// Whether `self` and `other` are of the same account, by the ids in the answers. An answer without an id is of an
    /// unknown account, which equals no other.
    #[must_use]
    pub fn is_of_same_account(&self, other: &Self) -> bool {
        fn id(settings: &Settings) -> Option<&str> {
            settings.account.as_ref().map(ExposeSecret::expose_secret)
        }
        id(self).is_some() && id(self) == id(other)
    }
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

pub(super) fn settings(reply: &UpstreamReply) -> Result<Settings, UpstreamError> {
    let wire: Wire = reply.json()?;
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Settings {
        account: filled(wire.id).map(SecretString::from),
        webhook_url: filled(wire.webhook_url),
        webhook_key: filled(wire.webhook_key).map(SecretString::from),
    })
}
