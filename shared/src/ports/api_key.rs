//! The key of Metriport, wherever it is kept.

use std::pin::Pin;

use secrecy::SecretString;

/// What [`ReadApiKey::read_api_key`] gives.
pub type ApiKeyRead<'a> = Pin<Box<dyn Future<Output = Option<SecretString>> + Send + 'a>>;

/// Where the key is kept.
pub trait ReadApiKey: Send + Sync {
    /// The key as it is stored now; `None` if it cannot be had in time.
    fn read_api_key(&self) -> ApiKeyRead<'_>;
}
