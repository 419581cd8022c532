//! Metriport's webhooks: verified before they are read, and reduced to the fields we need.

mod digest;
mod keys;
mod named;
mod payload;
mod signature;

pub use keys::{PreviousKey, WebhookKeys, WebhookKeysError};
pub use payload::{IDENTITY_MARK, PULL_MARK, RECORD_MARK};
pub use signature::{UnverifiedWebhook, VerifiedWebhook, sign};

pub use crate::ports::SignatureError;

/// The header that carries the signature (docs.metriport.com, page `getting-started/webhooks`).
pub const SIGNATURE_HEADER: &str = "x-metriport-signature";
