//! The account's webhook registration and deliveries. These paths are at the host's root, not under `/medical/v1`.

mod read;
mod reply;
mod webhook_retry;
mod webhook_status;
mod webhook_url;
mod write;

use std::future::Future;

pub use reply::Settings;
pub use webhook_status::WebhookStatus;
pub use webhook_url::{WebhookUrlProblem, refused_webhook_texts, webhook_url_problem};

use super::{Client, UpstreamError};
use crate::ports::port;

/// Reads and changes the webhook URL, and reads the key that signs webhooks.
pub trait WebhookSettings {
    /// Reads the settings.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    fn read_settings(&self) -> impl Future<Output = Result<Settings, UpstreamError>> + Send;

    /// Sets the webhook URL; Metriport pings it at once. The key stays the same.
    ///
    /// # Errors
    /// `BadRequest` for a URL that Metriport refuses, such as AWS's own host names; see [`UpstreamError`].
    fn set_webhook_url(&self, url: &url::Url) -> impl Future<Output = Result<Settings, UpstreamError>> + Send;

    /// Clears the webhook URL. The pages state that this also clears the key, so that the next URL gets another key. In
    /// some of the public code, the call changes nothing.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    fn clear_webhook_url(&self) -> impl Future<Output = Result<Settings, UpstreamError>> + Send;
}

port! {
    /// Counts failed deliveries and makes Metriport send them again.
    pub trait WebhookReplay via HasUpstream {
        /// Counts running and failed deliveries; `None` if no webhook URL was ever set.
        ///
        /// # Errors
        /// See [`UpstreamError`].
        async fn webhook_status(&self) -> Result<Option<WebhookStatus>, UpstreamError>;

        /// Makes Metriport send every failed delivery again, oldest first: with the same message id, with links that
        /// have expired, and without metadata.
        ///
        /// # Errors
        /// See [`UpstreamError`].
        async fn retry_webhooks(&self) -> Result<(), UpstreamError>;
    }
}

impl WebhookSettings for Client {
    async fn read_settings(&self) -> Result<Settings, UpstreamError> {
        read::read(self).await
    }

    async fn set_webhook_url(&self, url: &url::Url) -> Result<Settings, UpstreamError> {
        write::set_webhook_url(self, url.as_str()).await
    }

    async fn clear_webhook_url(&self) -> Result<Settings, UpstreamError> {
        write::set_webhook_url(self, "").await
    }
}

impl WebhookReplay for Client {
    async fn webhook_status(&self) -> Result<Option<WebhookStatus>, UpstreamError> {
        webhook_status::read(self).await
    }

    async fn retry_webhooks(&self) -> Result<(), UpstreamError> {
        webhook_retry::retry(self).await
    }
}
