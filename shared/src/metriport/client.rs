//! The client: Metriport's address, the API key, and the timeouts.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::HeaderValue;
use secrecy::SecretString;
use url::Url;

use super::api_key::{self, ApiKey};
use super::transport::is_private;
use crate::metrics::Metrics;
use crate::ports::ReadApiKey;

/// The options of a [`Client`].
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `https://api.metriport.com`, `https://api.sandbox.metriport.com`, or a stand-in on loopback. A path is kept.
    pub base_url: Url,
    /// The account's API key; it gives access to everything in the account.
    pub api_key: SecretString,
    /// A client from [`super::http_client`]. Another HTTP client may follow a redirect and send the key to another
    /// host.
    pub http: reqwest::Client,
    /// Time for one whole call, body included. Metriport's gateway gives up after about 29 seconds.
    pub request_timeout: Duration,
    /// `User-Agent` of every call.
    pub user_agent: String,
}

/// Why the options are refused. The error carries no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientOptionsError {
    /// The base URL is neither HTTPS nor on loopback.
    #[error("the base URL must be https, or http on a loopback address")]
    NotPrivate,
    /// The base URL has credentials, a query or a fragment.
    #[error("the base URL must have no credentials, query or fragment")]
    NotABase,
    /// The key is empty, or has characters that no header can hold.
    #[error("the API key is empty, or a header cannot hold it")]
    ApiKey,
    /// The user agent has characters that no header can hold.
    #[error("a header cannot hold the user agent")]
    UserAgent,
}

/// The Metriport client. Cheap to clone; `Debug` shows only the host.
#[derive(Clone)]
pub struct Client {
    pub(super) base_url: Url,
    pub(super) http: reqwest::Client,
    pub(super) request_timeout: Duration,
    pub(super) user_agent: HeaderValue,
    pub(super) metrics: Metrics,
    pub(super) api_key: ApiKey,
}

impl Client {
    /// Checks the options without connecting.
    ///
    /// # Errors
    /// Fails if the key would be sent unencrypted, or if the base URL has credentials, a query or a fragment. It also
    /// fails if the key is empty, or if a header cannot hold the key or the user agent.
    pub fn new(options: ClientOptions) -> Result<Self, ClientOptionsError> {
        let ClientOptions {
            base_url,
            api_key,
            http,
            request_timeout,
            user_agent,
        } = options;
        if !is_private(&base_url) {
            return Err(ClientOptionsError::NotPrivate);
        }
        let anonymous = base_url.username().is_empty() && base_url.password().is_none();
        if !anonymous || base_url.query().is_some() || base_url.fragment().is_some() {
            return Err(ClientOptionsError::NotABase);
        }
        let Ok(user_agent) = HeaderValue::from_str(&user_agent) else {
            return Err(ClientOptionsError::UserAgent);
        };
        match api_key::header(&api_key) {
            Ok(key) if !key.is_empty() => Ok(Self {
                base_url,
                http,
                request_timeout,
                user_agent,
                metrics: Metrics::off(),
                api_key: ApiKey::new(api_key),
            }),
            Ok(_) | Err(_) => Err(ClientOptionsError::ApiKey),
        }
    }

    /// Measures how long each call takes, and why a call fails.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same client with a source of newer API keys. When Metriport refuses the key, the client reads the source, at
    /// most once within `gap`. If it finds another key, it sends the call again.
    #[must_use]
    pub fn with_key_from(self, source: Arc<dyn ReadApiKey>, gap: Duration) -> Self {
        Self {
            api_key: self.api_key.with_source(source, gap),
            ..self
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("host", &self.base_url.host_str())
            .finish_non_exhaustive()
    }
}
