//! A client of the API that sends the same requests as an app, and reads the answers.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use serde_json::{Value, json};

const CONSENT: &str = "/v1/me/consent";

/// One person's app. Cheap to clone.
#[derive(Clone)]
pub struct App {
    base_url: String,
    token: String,
    key: Option<String>,
    http: reqwest::Client,
}

/// An answer of the API.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The body; null if it is not JSON.
    pub body: Value,
}

impl Reply {
    /// A text in the body, by JSON pointer; empty if it is missing.
    #[must_use]
    pub fn text(&self, pointer: &str) -> String {
        self.body
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    /// A number in the body, by JSON pointer; 0 if it is missing.
    #[must_use]
    pub fn number(&self, pointer: &str) -> u64 {
        self.body.pointer(pointer).and_then(Value::as_u64).unwrap_or_default()
    }

    /// A list in the body, by JSON pointer; empty if it is missing.
    #[must_use]
    pub fn list(&self, pointer: &str) -> &[Value] {
        self.body
            .pointer(pointer)
            .and_then(Value::as_array)
            .map_or(&[], Vec::as_slice)
    }

    /// The code of the problem, for a refusal.
    #[must_use]
    pub fn code(&self) -> String {
        self.text("/code")
    }
}

/// The API did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the API did not answer: {0}")]
pub struct NoReply(String);

impl From<reqwest::Error> for NoReply {
    fn from(error: reqwest::Error) -> Self {
        // The error's text contains the URL, and the URL of a hosted page is secret.
        Self(error.without_url().to_string())
    }
}

/// The header and body that start a pull.
#[derive(Debug, Clone)]
pub struct QueryAsk {
    /// The header `x-aal2-session`; `None` leaves it out.
    pub session: Option<String>,
    /// The body.
    pub body: Value,
}

impl QueryAsk {
    /// A pull from all sources.
    #[must_use]
    pub fn everything(challenge_id: &str, session: &str) -> Self {
        let on = json!({ "enabled": true });
        let sources = json!({ "hie": on, "pharmacy": on, "lab": on });
        let body = json!({ "challengeId": challenge_id, "aal2Status": "verified", "sources": sources });
        Self {
            session: Some(session.to_owned()),
            body,
        }
    }
}

/// A consent to this notice.
#[must_use]
pub fn consent(notice_version: &str, notice_sha256: &str, scopes: &[&str]) -> Value {
    json!({ "noticeVersion": notice_version, "noticeSha256": notice_sha256, "scopes": scopes, "locale": "en" })
}

impl App {
    /// Creates an app that calls `base_url` with a token.
    ///
    /// # Errors
    /// Fails if the HTTP client cannot be created.
    pub fn new(base_url: &str, token: &str) -> Result<Self, NoReply> {
        let tls = shared::metriport::tls_config().map_err(|error| NoReply(error.to_string()))?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(std::time::Duration::from_secs(60))
            .build()?;
        Ok(Self {
            base_url: base_url.to_owned(),
            token: token.to_owned(),
            key: None,
            http,
        })
    }

    /// The same app, which sends this `Idempotency-Key` unchanged with every POST.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self.clone()
        }
    }

    /// Sends a request.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Reply, NoReply> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request.json(body);
        }
        reply(request).await
    }

    /// A request with the token, for the caller to complete.
    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        let key = self.key.as_ref().filter(|_| method == Method::POST);
        let request = self
            .http
            .request(method, format!("{}{path}", self.base_url))
            .bearer_auth(&self.token);
        match key {
            Some(key) => request.header("idempotency-key", key),
            None => request,
        }
    }

    /// A request without a token.
    pub fn anonymous(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base_url))
    }

    /// Consents to the notice in force with all scopes, if the person has not done so. Returns the last answer: of `GET
    /// /v1/me/consent` or of `PUT /v1/me/consent`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn give_consent(&self) -> Result<Reply, NoReply> {
        let stored = self.get(CONSENT).await?;
        if stored.text("/next/action") != "give_consent" {
            return Ok(stored);
        }
        let [version, sha256] = ["/notice/version", "/notice/sha256"].map(|pointer| stored.text(pointer));
        self.put_consent(&consent(&version, &sha256, &["pull", "keep"])).await
    }

    /// `PUT /v1/me/consent`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn put_consent(&self, body: &Value) -> Result<Reply, NoReply> {
        self.send(Method::PUT, CONSENT, Some(body)).await
    }

    /// `DELETE /v1/me/consent`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn withdraw_consent(&self) -> Result<Reply, NoReply> {
        self.send(Method::DELETE, CONSENT, None).await
    }

    /// `POST /v1/me/exports`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn request_export(&self) -> Result<Reply, NoReply> {
        self.send(Method::POST, "/v1/me/exports", None).await
    }

    /// `GET /v1/me/exports/{id}`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn read_export(&self, id: &str) -> Result<Reply, NoReply> {
        self.get(&format!("/v1/me/exports/{id}")).await
    }

    /// `DELETE /v1/me`, under an `Idempotency-Key`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn erase_me(&self, key: &str) -> Result<Reply, NoReply> {
        reply(self.request(Method::DELETE, "/v1/me").header("idempotency-key", key)).await
    }

    /// `GET /v1/erasures/{receipt}`, without a token.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn read_erasure(&self, receipt: &str) -> Result<Reply, NoReply> {
        reply(self.anonymous(Method::GET, &format!("/v1/erasures/{receipt}"))).await
    }

    /// `PUT /v1/patient`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn put_patient(&self, demographics: &Value) -> Result<Reply, NoReply> {
        self.send(Method::PUT, "/v1/patient", Some(demographics)).await
    }

    /// `POST /v1/identity-sessions`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn open_identity_session(&self, redirect_url: &str) -> Result<Reply, NoReply> {
        self.send(
            Method::POST,
            "/v1/identity-sessions",
            Some(&json!({ "redirectUrl": redirect_url })),
        )
        .await
    }

    /// `GET /v1/identity`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn identity(&self) -> Result<Reply, NoReply> {
        self.send(Method::GET, "/v1/identity", None).await
    }

    /// `POST /v1/aal2-challenges`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn open_challenge(&self, redirect_url: &str) -> Result<Reply, NoReply> {
        self.send(
            Method::POST,
            "/v1/aal2-challenges",
            Some(&json!({ "redirectUrl": redirect_url })),
        )
        .await
    }

    /// `POST /v1/network-queries`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn start_query(&self, ask: &QueryAsk) -> Result<Reply, NoReply> {
        let mut request = self.request(Method::POST, "/v1/network-queries").json(&ask.body);
        if let Some(session) = &ask.session {
            request = request.header("x-aal2-session", session);
        }
        reply(request).await
    }

    /// `GET` of a path.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn get(&self, path: &str) -> Result<Reply, NoReply> {
        self.send(Method::GET, path, None).await
    }

    /// `POST /v1/records`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn ask_record(&self, body: &Value) -> Result<Reply, NoReply> {
        self.send(Method::POST, "/v1/records", Some(body)).await
    }

    /// `POST /v1/records/{id}/not-me`.
    ///
    /// # Errors
    /// Fails if the API does not answer.
    pub async fn report_record(&self, record: &str, body: &Value) -> Result<Reply, NoReply> {
        let path = format!("/v1/records/{record}/not-me");
        self.send(Method::POST, &path, Some(body)).await
    }

    /// Follows a record link. The caller reads the bytes of the response in pieces.
    ///
    /// # Errors
    /// Fails if the link's server does not answer.
    pub async fn follow(&self, link: &str) -> Result<reqwest::Response, NoReply> {
        Ok(self.http.get(link).send().await?)
    }
}

/// Sends a request and reads the whole answer.
///
/// # Errors
/// Fails if the API does not answer.
pub async fn reply(request: reqwest::RequestBuilder) -> Result<Reply, NoReply> {
    let response = request.send().await?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let is_json = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|t| t.contains("json"));
    let bytes = response.bytes().await?;
    let body = if is_json {
        serde_json::from_slice(&bytes).unwrap_or(Value::Null)
    } else {
        Value::Null
    };
    Ok(Reply { status, headers, body })
}
