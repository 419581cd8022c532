//! The HTTP client under the adapter, and the base URLs to which it may carry a key.
//!
//! TLS is rustls over ring with compiled-in roots. The client reads nothing from the system. A cold start therefore
//! needs no file access, and the roots are those of the build.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::config::is_loopback;
use crate::roots::ExtraRoots;

/// Why an HTTP client could not be made: a fault of the build, never of the network.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The TLS configuration is inconsistent.
    #[error("the TLS configuration is inconsistent")]
    Tls(#[from] rustls::Error),
    /// The HTTP client refuses its options.
    #[error("the HTTP client refuses its options")]
    Http(#[from] reqwest::Error),
}

/// TLS 1.2 and 1.3 over ring, trusting Mozilla's roots as compiled in.
///
/// # Errors
/// When ring does not offer the protocol versions; every build of it does.
pub fn tls_config() -> Result<ClientConfig, rustls::Error> {
    tls_config_trusting(&ExtraRoots::default())
}

/// The TLS configuration of [`tls_config`], with extra roots.
///
/// # Errors
/// As [`tls_config`], or when an extra root is not a certificate.
pub fn tls_config_trusting(extra: &ExtraRoots) -> Result<ClientConfig, rustls::Error> {
    let mut roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    extra.add_to(&mut roots)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The HTTP client for [`super::ClientOptions`]: no proxy, no redirects (which would carry the key to another host), no
/// retries of its own, and gzip.
///
/// `connect_timeout` limits name resolution, TCP and TLS together; a call that it ends was not sent. `request_timeout`
/// limits a whole call, body included, and must be longer.
///
/// Connections are not kept, because they may die while Lambda has frozen the function. If a request fails on a dead
/// connection, Metriport may nevertheless have read it. The start of a pull would then be uncertain for half an hour,
/// to save one handshake.
///
/// # Errors
/// When TLS or the client refuse their options; neither depends on the network.
pub fn http_client(connect_timeout: Duration, request_timeout: Duration) -> Result<reqwest::Client, HttpClientError> {
    http_client_over(tls_config()?, connect_timeout, request_timeout)
}

/// The client of [`http_client`], over another TLS configuration.
///
/// # Errors
/// As [`http_client`].
pub fn http_client_over(
    tls: ClientConfig,
    connect_timeout: Duration,
    request_timeout: Duration,
) -> Result<reqwest::Client, HttpClientError> {
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .connect_timeout(connect_timeout)
        .timeout(request_timeout)
        .pool_max_idle_per_host(0)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .no_proxy()
        .gzip(true)
        .build()?;
    Ok(client)
}

/// Whether only the URL's host can read a request to it: over HTTPS, or over plain HTTP that does not leave the
/// machine.
pub(super) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_stays_on_the_machine() {
        let private = |text: &str| is_private(&Url::parse(text).unwrap());
        for url in [
            "https://api.metriport.com",
            "http://127.0.0.1:9",
            "http://localhost:9",
            "http://[::1]:9",
        ] {
            assert!(private(url), "{url}");
        }
        for url in [
            "http://api.metriport.com",
            "http://localhost.example.test",
            "http://10.0.0.1",
            "ftp://localhost",
        ] {
            assert!(!private(url), "{url}");
        }
    }

    #[test]
    fn client_is_made_without_the_systems_certificates() {
        assert!(tls_config().unwrap().alpn_protocols.is_empty());
        assert!(http_client(Duration::from_secs(2), Duration::from_secs(20)).is_ok());
    }
}
