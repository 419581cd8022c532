//! Faults asked for: the next call of an operation misbehaves.

use std::collections::{HashMap, VecDeque};

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::operation::Operation;

/// How a call misbehaves. Unless said otherwise the call has its effect all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// This answer, without any effect.
    Status {
        /// HTTP status.
        code: u16,
        /// Body, as it is.
        body: String,
        /// `Content-Type`.
        content_type: String,
    },
    /// 200 with a body that ends in the middle of a JSON text.
    Garbage,
    /// The right answer, this many milliseconds late.
    HangFor(u64),
    /// The connection is dropped without an answer, and without any effect.
    ResetBeforeEffect,
    /// The connection is dropped without an answer.
    ResetAfterEffect,
    /// The answer's body breaks off after this many bytes, though its length said more.
    TruncateAfter(usize),
}

impl Failure {
    /// A [`Failure::Status`] with a body as the error envelope has it.
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

/// Faults waiting for their call.
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

/// Marks a response that must not be sent: the connection ends instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reset;

/// The response that is none.
pub(crate) fn reset() -> Response {
    let mut response = Body::empty().into_response();
    response.extensions_mut().insert(Reset);
    response
}

/// 200 and half a JSON text.
pub(crate) fn garbage() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], "{\"requestId\":\"0198").into_response()
}

/// An answer of the caller's own making.
pub(crate) fn status(code: u16, body: String, content_type: String) -> Response {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, content_type)], body).into_response()
}
