//! A person's browser. It opens a hosted page, stores the authenticator key that the page shows, submits the code, and
//! returns to the app.

use std::sync::Mutex;

use shared::clock;
use totp_rs::{Builder, Secret};
use url::Url;

/// A browser together with an authenticator app.
pub struct Browser {
    http: reqwest::Client,
    /// The key that the identity page showed, in base 32.
    key: Mutex<Option<String>>,
}

/// A hosted page did not behave as a person expects.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The page did not answer.
    #[error("the page did not load: {0}")]
    NotLoaded(String),
    /// The page answered with an unexpected status.
    #[error("the page answered {0}")]
    Status(u16),
    /// The page showed no key, so the browser cannot make a code.
    #[error("the page showed no authenticator key")]
    NoKey,
    /// The page did not redirect the browser.
    #[error("the page did not redirect the browser")]
    NoRedirect,
}

impl From<reqwest::Error> for PageError {
    fn from(error: reqwest::Error) -> Self {
        Self::NotLoaded(error.without_url().to_string())
    }
}

/// The URL to which a hosted page sent the browser, with its parameters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Return {
    /// The URL without its query.
    pub page: String,
    /// `aal2SessionId`.
    pub session: Option<String>,
    /// `status`.
    pub status: Option<String>,
}

impl Return {
    /// Reads the URL of a redirect.
    #[must_use]
    pub fn of(url: &Url) -> Self {
        let parameter = |name: &str| {
            url.query_pairs()
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let (session, status) = (parameter("aal2SessionId"), parameter("status"));
        let mut page = url.clone();
        page.set_query(None);
        Self {
            page: page.into(),
            session,
            status,
        }
    }
}

impl Browser {
    /// Creates a browser without an authenticator key.
    ///
    /// # Errors
    /// Fails if the HTTP client cannot be created.
    pub fn new() -> Result<Self, PageError> {
        let tls = shared::metriport::tls_config().map_err(|error| PageError::NotLoaded(error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(30))
            .build()?;
        Ok(Self {
            http,
            key: Mutex::new(None),
        })
    }

    /// Passes a hosted page: opens it, submits the code, and returns the redirect to the app. A page that redirects at
    /// once needs no code.
    ///
    /// # Errors
    /// Fails if the page does not load, shows no key, or does not redirect.
    pub async fn pass(&self, page_url: &str) -> Result<Return, PageError> {
        let page = self.http.get(page_url).send().await?;
        if page.status().is_redirection() {
            return way_back(&page);
        }
        if !page.status().is_success() {
            return Err(PageError::Status(page.status().as_u16()));
        }
        let html = page.text().await?;
        let code = self.code(shown_key(&html))?;
        self.submit(page_url, &[("action", "confirm"), ("code", &code)]).await
    }

    /// Submits the page's form with these fields.
    ///
    /// # Errors
    /// Fails if the page does not redirect to the app.
    pub async fn submit(&self, page_url: &str, fields: &[(&str, &str)]) -> Result<Return, PageError> {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let form = self
            .http
            .post(page_url)
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = form.body(body).send().await?;
        if answer.status().is_redirection() {
            way_back(&answer)
        } else {
            Err(PageError::Status(answer.status().as_u16()))
        }
    }

    /// The authenticator's present code. If the page shows a key, the key is stored first.
    fn code(&self, shown: Option<String>) -> Result<String, PageError> {
        let mut key = self.key.lock().map_err(|_poisoned| PageError::NoKey)?;
        if shown.is_some() {
            *key = shown;
        }
        let seconds = u64::try_from(clock::now().millis() / 1000).unwrap_or_default();
        key.as_deref()
            .and_then(|key| totp(key, seconds))
            .ok_or(PageError::NoKey)
    }
}

fn way_back(answer: &reqwest::Response) -> Result<Return, PageError> {
    let location = answer.headers().get("location").and_then(|value| value.to_str().ok());
    let url = location
        .and_then(|text| Url::parse(text).ok())
        .ok_or(PageError::NoRedirect)?;
    Ok(Return::of(&url))
}

fn shown_key(html: &str) -> Option<String> {
    let (_, after) = html.split_once("<dt>Key</dt><dd><code>")?;
    after.split_once("</code>").map(|(key, _)| key.to_owned())
}

/// The six-digit code of a base-32 key at a time, as an authenticator app shows it (RFC 6238).
fn totp(key: &str, seconds: u64) -> Option<String> {
    let secret = Secret::try_from_base32(key).ok()?;
    Some(
        Builder::new()
            .with_secret(secret)
            .build_noncompliant()
            .generate(seconds)
            .to_string(),
    )
}
