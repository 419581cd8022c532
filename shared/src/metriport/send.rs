//! Sends the calls and receives the answers.

use std::error::Error as _;
use std::io;

use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, USER_AGENT};
use reqwest::{Method, Response};
use secrecy::SecretString;
use serde::de::DeserializeOwned;

use super::call::UpstreamCall;
use super::{Client, Operation, UpstreamError, UpstreamErrorKind};
use super::{api_key, refusal};
use crate::clock;
use crate::metrics::{Metric, Metrics};

/// Largest accepted answer, in bytes. No answer of this API comes near it, because records arrive as links.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// A 2xx answer.
pub(super) struct UpstreamReply {
    operation: Operation,
    status: u16,
    body: Vec<u8>,
    metrics: Metrics,
}

impl UpstreamReply {
    /// Reads the body as `T`.
    ///
    /// # Errors
    /// [`UpstreamErrorKind::Garbage`] when the body is not a `T`; the call may nevertheless have taken effect.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, UpstreamError> {
        match serde_json::from_slice(&self.body) {
            Ok(value) => Ok(value),
            // serde's message quotes the value that it rejected.
            Err(_quotes_the_body) => Err(self.garbage()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.body.trim_ascii().is_empty()
    }

    /// Takes a value that the answer must have.
    pub(super) fn required<T>(&self, value: Option<T>) -> Result<T, UpstreamError> {
        value.ok_or_else(|| self.garbage())
    }

    /// The error for an answer without a required value. Its metric is written here, because only the reader of the
    /// answer notices it.
    pub(super) fn garbage(&self) -> UpstreamError {
        self.metrics.put(&[Metric::upstream_error(UpstreamErrorKind::Garbage)]);
        UpstreamError::new(self.operation, UpstreamErrorKind::Garbage).with_status(self.status)
    }
}

impl Client {
    /// Sends a call and reads an answer with any success code. If Metriport refuses the API key and another key is
    /// stored by now, sends the call again with that key.
    ///
    /// # Errors
    /// Fails in every way in which a call can fail. The error's kind shows whether the call may have taken effect.
    pub(super) async fn send(&self, call: UpstreamCall<'_>) -> Result<UpstreamReply, UpstreamError> {
        let key = self.api_key.used();
        let refused = match self.send_once(&call, &key).await {
            Err(error) if error.refuses_key() => error,
            answered => return answered,
        };
        // Safe to send again: a call whose key is refused had no effect.
        match self.api_key.instead_of(&key).await {
            Some(key) => {
                tracing::info!("Metriport refused the API key; the process uses the newly stored one from now on");
                self.send_once(&call, &key).await
            }
            None => Err(refused),
        }
    }

    async fn send_once(&self, call: &UpstreamCall<'_>, key: &SecretString) -> Result<UpstreamReply, UpstreamError> {
        let begun = clock::now();
        let answer = self.exchange(call, key).await;
        let latency = Metric::upstream_latency(call.operation, begun.until(clock::now()));
        let failure = answer.as_ref().err().filter(|error| !is_an_answer(error));
        let failure = failure.map(|error| Metric::upstream_error(error.kind()));
        let metrics: Vec<_> = [latency].into_iter().chain(failure).collect();
        self.metrics.put(&metrics);
        answer
    }

    async fn exchange(&self, call: &UpstreamCall<'_>, key: &SecretString) -> Result<UpstreamReply, UpstreamError> {
        let response = match self.request(call, key)?.send().await {
            Ok(response) => response,
            Err(error) => return Err(lost(call, &error)),
        };
        let status = response.status();
        tracing::debug!(
            operation = call.operation.as_str(),
            status = status.as_u16(),
            "metriport answered"
        );
        if status.is_success() {
            self.accepted(call, response).await
        } else {
            Err(refused(call, response).await)
        }
    }

    async fn accepted(&self, call: &UpstreamCall<'_>, response: Response) -> Result<UpstreamReply, UpstreamError> {
        let status = response.status().as_u16();
        match read_bounded(response).await {
            Ok(body) => Ok(UpstreamReply {
                operation: call.operation,
                status,
                body,
                metrics: self.metrics.clone(),
            }),
            Err(Unread::TooLarge(_)) => Err(call.failed(UpstreamErrorKind::Garbage).with_status(status)),
            Err(Unread::Broken(error, _)) => Err(lost(call, &error).with_status(status)),
        }
    }

    fn request(&self, call: &UpstreamCall<'_>, key: &SecretString) -> Result<reqwest::RequestBuilder, UpstreamError> {
        let Ok(key) = api_key::header(key) else {
            return Err(call.failed(UpstreamErrorKind::Unsendable));
        };
        let request = self
            .http
            .request(call.method.clone(), call.url(&self.base_url)?)
            .timeout(self.request_timeout)
            .header("x-api-key", key)
            .header(USER_AGENT, self.user_agent.clone())
            .header(ACCEPT, JSON)
            .headers(call.headers.clone());
        Ok(match call.body.clone() {
            Some(body) => request.header(CONTENT_TYPE, JSON).body(body),
            // Some gateways answer 411 to a POST without a content length.
            None if call.method == Method::POST => request.header(CONTENT_LENGTH, 0),
            None => request,
        })
    }
}

/// Whether a failure is a regular answer of the call: a search may find nothing.
fn is_an_answer(error: &UpstreamError) -> bool {
    error.operation() == Operation::FindPatient && error.kind().is_absence()
}

/// Reads a refusal. It counts even if its body does not arrive whole; the part that arrived is read.
async fn refused(call: &UpstreamCall<'_>, response: Response) -> UpstreamError {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = match read_bounded(response).await {
        Ok(body) | Err(Unread::TooLarge(body) | Unread::Broken(_, body)) => body,
    };
    refusal::decode(call.operation, status, &headers, &body, call.shows_aal2())
}

enum Unread {
    TooLarge(Vec<u8>),
    Broken(reqwest::Error, Vec<u8>),
}

async fn read_bounded(mut response: Response) -> Result<Vec<u8>, Unread> {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > BODY_BYTES_MAX => return Err(Unread::TooLarge(body)),
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return Ok(body),
            Err(error) => return Err(Unread::Broken(error, body)),
        }
    }
}

/// The error of a call that got no answer. Only an error of the connector or of the builder proves that no byte was
/// written. After any other error, the call counts as sent.
fn lost(call: &UpstreamCall<'_>, error: &reqwest::Error) -> UpstreamError {
    let kind = if error.is_connect() {
        UpstreamErrorKind::Connect
    } else if error.is_builder() {
        UpstreamErrorKind::Unsendable
    } else if error.is_timeout() {
        UpstreamErrorKind::Timeout
    } else {
        UpstreamErrorKind::Interrupted
    };
    call.failed(kind).with_cause(io_cause(error))
}

/// The operating system's error kind; unlike the error's own text, it names no URL.
fn io_cause(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = None;
    let mut source = error.source();
    while let Some(error) = source {
        cause = error.downcast_ref::<io::Error>().map(io::Error::kind).or(cause);
        source = error.source();
    }
    cause
}
