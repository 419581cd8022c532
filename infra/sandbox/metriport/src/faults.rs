//! Requested faults: each makes the next call of an operation misbehave.

use std::collections::{HashMap, VecDeque};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use sandbox_fhir::Source;

use crate::envelope::Refusal;
use crate::files::{self, FileRefusal};
use crate::odd_body::OddBody;
use crate::operation::Operation;

/// Misbehaviour of a call. Unless noted otherwise, the call still has its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// This answer, without an effect.
    Status {
        /// HTTP status.
        code: u16,
        /// Body, sent unchanged.
        body: String,
        /// `Content-Type`.
        content_type: String,
    },
    /// This answer instead of the right one, after the effect.
    StatusAfterEffect {
        /// HTTP status.
        code: u16,
        /// Body, sent unchanged.
        body: String,
        /// `Content-Type`.
        content_type: String,
    },
    /// The 429 of the per-minute limiter: plain text served as `text/html`, with `Retry-After`. The call has no effect.
    RateLimited {
        /// `Retry-After`, in seconds.
        retry_after_secs: u64,
    },
    /// A network query starts, but lists these sources as refused in its `errors`. Other operations are not affected.
    SourcesRefused {
        /// The sources.
        sources: Vec<Source>,
        /// `httpStatus` of each error.
        http_status: u16,
    },
    /// 200 with a body that ends in the middle of a JSON text.
    Garbage,
    /// The right answer, this many milliseconds late.
    HangFor(u64),
    /// The connection is dropped without an answer and without an effect.
    ResetBeforeEffect,
    /// The connection is dropped without an answer.
    ResetAfterEffect,
    /// The body breaks off after this many bytes, and the connection ends.
    TruncateAfter(usize),
    /// 200 with an unexpected body, without an effect.
    Odd(OddBody),
}

impl Failure {
    /// A [`Failure::Status`] with a body in the gateway's form.
    #[must_use]
    pub fn gateway(code: u16, message: &str) -> Self {
        Self::Status {
            code,
            body: serde_json::json!({ "message": message }).to_string(),
            content_type: "application/json".to_owned(),
        }
    }

    /// 429 of the gateway: its throttle, or the day's quota.
    #[must_use]
    pub fn limit_exceeded() -> Self {
        Self::gateway(429, "Limit Exceeded")
    }

    /// 504 of the gateway, which gives up after 29 seconds (docs.aws.amazon.com, API Gateway quotas).
    #[must_use]
    pub fn gateway_timeout() -> Self {
        Self::gateway(504, "Endpoint request timed out")
    }

    /// 500 in the error envelope.
    #[must_use]
    pub fn internal() -> Self {
        Self::envelope(500, "InternalServerError", "Internal server error")
    }

    /// The sources' own limit: in Metriport's documentation, an entry of `errors` with 429.
    #[must_use]
    pub const fn sources_limited(sources: Vec<Source>) -> Self {
        Self::SourcesRefused {
            sources,
            http_status: 429,
        }
    }

    /// 403 of a record link, as after its expiry.
    #[must_use]
    pub fn link_refused() -> Self {
        let (code, name, message) = FileRefusal::Expired.status_code_and_message();
        Self::Status {
            code,
            body: files::refusal_body(name, message),
            content_type: "application/xml".to_owned(),
        }
    }

    /// Turns a [`Failure::Status`] into the same answer after the effect. Other failures are returned unchanged.
    #[must_use]
    pub fn after_effect(self) -> Self {
        match self {
            Self::Status {
                code,
                body,
                content_type,
            } => Self::StatusAfterEffect {
                code,
                body,
                content_type,
            },
            other => other,
        }
    }

    /// Whether the failure can affect this operation.
    pub(crate) fn suits(&self, operation: Operation) -> bool {
        !matches!(self, Self::SourcesRefused { .. }) || operation == Operation::StartNetworkQuery
    }

    /// The kind of failure, in the words of [`FaultCounts`](crate::FaultCounts).
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Status { code: 429, .. } | Self::RateLimited { .. } => "too_many_requests",
            Self::Status { .. } => "status_before_effect",
            Self::StatusAfterEffect { .. } => "status_after_effect",
            Self::SourcesRefused { .. } => "sources_refused",
            Self::Garbage => "garbage",
            Self::HangFor(_) => "late",
            Self::ResetBeforeEffect => "reset_before_effect",
            Self::ResetAfterEffect => "reset_after_effect",
            Self::TruncateAfter(_) => "truncated",
            Self::Odd(_) => "odd_body",
        }
    }

    /// A [`Failure::Status`] with a body in the form of the error envelope.
    #[must_use]
    pub fn envelope(code: u16, title: &str, detail: &str) -> Self {
        let name = StatusCode::from_u16(code)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        let body = serde_json::json!({ "status": code, "name": name, "title": title, "detail": detail }).to_string();
        Self::Status {
            code,
            body,
            content_type: "application/json".to_owned(),
        }
    }
}

/// Sources that a fault refuses at the start of a network query. The gate attaches them to the request for its handler.
#[derive(Debug, Clone)]
pub(crate) struct RefusedSources {
    pub(crate) sources: Vec<Source>,
    pub(crate) http_status: u16,
}

impl RefusedSources {
    /// Status and text of the refusal, if the source is refused.
    pub(crate) fn refusal(&self, source: Source) -> Option<(u16, &'static str)> {
        let message = match self.http_status {
            429 => "source rate limit exceeded",
            400 => "source is not enabled",
            _ => "unexpected error",
        };
        self.sources.contains(&source).then_some((self.http_status, message))
    }
}

#[derive(Default)]
pub(crate) struct Faults(HashMap<Operation, VecDeque<Failure>>);

impl Faults {
    pub(crate) fn push(&mut self, operation: Operation, failure: Failure) {
        self.0.entry(operation).or_default().push_back(failure);
    }

    pub(crate) fn take(&mut self, operation: Operation) -> Option<Failure> {
        self.0.get_mut(&operation)?.pop_front()
    }
}

/// Marks a response that must not be sent; the connection ends instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reset;

/// A response that the server does not send; it ends the connection instead.
pub(crate) fn reset() -> Response {
    let mut response = Body::empty().into_response();
    response.extensions_mut().insert(Reset);
    response
}

pub(crate) fn garbage() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], "{\"requestId\":\"0198").into_response()
}

/// 429 as the per-minute limiter words it (express-rate-limit).
pub(crate) fn rate_limited(retry_after_secs: u64) -> Response {
    let mut response = Refusal::too_many_requests().into_response();
    let headers = response.headers_mut();
    headers.insert(header::RETRY_AFTER, HeaderValue::from(retry_after_secs));
    headers.insert("ratelimit-remaining", HeaderValue::from(0));
    headers.insert("ratelimit-reset", HeaderValue::from(retry_after_secs));
    response
}

pub(crate) fn status(code: u16, body: String, content_type: String) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
