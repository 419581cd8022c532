//! The links that send a person to Metriport's hosted pages, and the one they come back by.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::transport::is_private;

/// A single-use link to a hosted page: whoever has it can act as the person. Not printable.
#[derive(Clone)]
pub struct HostedUrl(SecretString);

impl HostedUrl {
    /// Takes a link a browser may be sent to: HTTPS, or HTTP on loopback, where the stand-in lives.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        is_private(&url).then(|| Self(text.to_owned().into()))
    }

    /// The link, for the person's browser and nowhere else.
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

/// Where a hosted page sends the person back to. Must be on the account's allowlist, whose matching is not documented:
/// the text is kept letter by letter (docs.metriport.com, page `ias/create-identity-session`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUrl(String);

/// Why a text is no redirect URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a redirect URL is https (http on loopback), without credentials, query or fragment")]
pub struct RedirectUrlError;

impl RedirectUrl {
    /// Checks the text. A query is refused because the result is appended to it in ways nobody promises.
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
    fn redirects_are_kept_letter_by_letter() {
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
