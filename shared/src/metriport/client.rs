//! The client: where Metriport is, with which key, and how patient we are.

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

/// What a [`Client`] is made of.
#[derive(Debug, Clone)]
pub struct ClientOptions {
    /// `https://api.metriport.com`, `https://api.sandbox.metriport.com`, or a stand-in on loopback. A path is kept.
    pub base_url: Url,
    /// The account's API key; it opens everything the account has.
    pub api_key: SecretString,
    /// From [`super::http_client`]: another one may follow redirects, and carry the key along.
    pub http: reqwest::Client,
    /// Bounds one whole call, body included. Upstream's gateway gives up after about 29 seconds.
    pub request_timeout: Duration,
    /// `User-Agent` of every call.
    pub user_agent: String,
}

/// Why no client was made. Carries no part of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientOptionsError {
    /// Not HTTPS, although not on loopback.
    #[error("the base URL must be https, or http on a loopback address")]
    NotPrivate,
    /// Credentials, a query or a fragment in the base URL.
    #[error("the base URL must have no credentials, query or fragment")]
    NotABase,
    /// Empty, or characters no header can hold.
    #[error("the API key is empty or not a header value")]
    ApiKey,
    /// Characters no header can hold.
    #[error("the user agent is not a header value")]
    UserAgent,
}

/// The Metriport client. Cheap to clone; `Debug` shows the host alone.
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
    /// Checks the options; talks to nobody.
    ///
    /// # Errors
    /// When the key would travel in the clear, or an option cannot be sent.
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

    /// Tells of every call how long it took, and of one that failed, why.
    #[must_use]
    pub fn measured(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// The same client, which asks `source` for another key when upstream refuses the one it has, but not twice within
    /// `gap`, and sends a call again whose key was refused once there is another.
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
