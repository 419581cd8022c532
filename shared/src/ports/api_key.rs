//! The port that reads Metriport's API key from its store.

use std::pin::Pin;

use secrecy::SecretString;

/// The future of [`ReadApiKey::read_api_key`].
pub type ApiKeyRead<'a> = Pin<Box<dyn Future<Output = Option<SecretString>> + Send + 'a>>;

/// Reads Metriport's API key.
pub trait ReadApiKey: Send + Sync {
    /// The key as it is stored now; `None` if it cannot be read in time.
    fn read_api_key(&self) -> ApiKeyRead<'_>;
}
