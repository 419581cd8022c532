//! The links that send a person to Metriport's hosted pages, and the URL to which the person returns.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::transport::is_private;

/// A single-use link to a hosted page. Its holder can act as the person, so `Debug` does not show it.
#[derive(Clone)]
pub struct HostedUrl(SecretString);

impl HostedUrl {
    /// Accepts a link to which a browser may be sent: HTTPS, or HTTP on loopback for the stand-in.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        is_private(&url).then(|| Self(text.to_owned().into()))
    }

    /// The link, for the person's browser only.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for HostedUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[hosted link]")
    }
}

/// The URL to which a hosted page returns the person. It must be on the account's allowlist (docs.metriport.com, page
/// `ias/create-identity-session`). Metriport does not document how it compares the URL, so the text is kept exactly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUrl(String);

/// A text that is not a redirect URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a redirect URL must be https (http on loopback), without credentials, query or fragment")]
pub struct RedirectUrlError;

impl RedirectUrl {
    /// Checks the text. A query is refused, because Metriport does not document how it appends the result.
    ///
    /// # Errors
    /// When it is not HTTPS (HTTP on loopback), or has credentials, a query or a fragment.
    pub fn parse(text: impl Into<String>) -> Result<Self, RedirectUrlError> {
        let text = text.into();
        let Ok(url) = Url::parse(&text) else {
            return Err(RedirectUrlError);
        };
        let plain = url.query().is_none() && url.fragment().is_none();
        let anonymous = url.username().is_empty() && url.password().is_none();
        if plain && anonymous && is_private(&url) {
            Ok(Self(text))
        } else {
            Err(RedirectUrlError)
        }
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_url_is_kept_exactly() {
        assert_eq!(
            RedirectUrl::parse("https://App.example.test").unwrap().as_str(),
            "https://App.example.test"
        );
        assert!(RedirectUrl::parse("http://localhost:3000/return").is_ok());
        for bad in [
            "http://app.example.test/r",
            "https://app.example.test/r?x=1",
            "https://app.example.test/r#x",
            "https://u:p@app.example.test/r",
            "javascript:alert(1)",
            "/return",
            "",
        ] {
            assert_eq!(RedirectUrl::parse(bad), Err(RedirectUrlError), "{bad}");
        }
    }

    #[test]
    fn hosted_links_open_in_a_browser_and_do_not_print() {
        let link = HostedUrl::parse("https://auth.ias.metriport.com/s/CANARY").unwrap();
        assert_eq!(link.expose(), "https://auth.ias.metriport.com/s/CANARY");
        assert!(!format!("{link:?}").contains("CANARY"));
        assert!(HostedUrl::parse("javascript:alert(1)").is_none());
        assert!(HostedUrl::parse("http://auth.ias.metriport.com/s/x").is_none());
    }
}
