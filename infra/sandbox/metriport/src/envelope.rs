//! Refusals as Metriport sends them: the error envelope (docs.metriport.com, page `more-info/error-responses`), and
//! bodies that do not follow it.
//!
//! Bodies outside the envelope come from Metriport's public code: those of the gateway and of express-rate-limit, and a
//! bare JSON string with 423.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// A request that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// The body, in one of Metriport's forms.
    pub body: RefusalBody,
}

/// Forms of a refusal's body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusalBody {
    /// `{status, name, title, detail}`, the documented form.
    Envelope {
        /// Stable per kind of error.
        title: &'static str,
        /// For people; may vary.
        detail: String,
    },
    /// `{"message": …}`: the gateway's form, also used for the patient cap.
    Message(String),
    /// A bare JSON string, for a patient locked by a running query.
    JsonString(String),
    /// Plain text served as `text/html`, for the per-minute limits.
    Html(String),
}

impl Refusal {
    fn envelope(status: u16, title: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            body: RefusalBody::Envelope {
                title,
                detail: detail.into(),
            },
        }
    }

    pub(crate) fn message(status: u16, message: &str) -> Self {
        Self {
            status,
            body: RefusalBody::Message(message.to_owned()),
        }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::envelope(400, "Missing or invalid parameters", detail)
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Self::envelope(400, "BadRequestError", detail)
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::envelope(401, "UnauthorizedError", detail)
    }

    pub(crate) fn forbidden(detail: &str) -> Self {
        Self::envelope(403, "ForbiddenError", detail)
    }

    pub(crate) fn not_found(detail: &str) -> Self {
        Self::envelope(404, "NotFoundError", detail)
    }

    pub(crate) fn patient_not_found() -> Self {
        Self::envelope(404, "PatientNotFoundError", "Could not find patient")
    }

    pub(crate) fn version_mismatch() -> Self {
        Self::envelope(
            412,
            "VersionMismatchError",
            "The resource has been modified since it was read",
        )
    }

    pub(crate) fn patient_locked() -> Self {
        let words = "Patient is locked for update while a query is running".to_owned();
        Self {
            status: 423,
            body: RefusalBody::JsonString(words),
        }
    }

    pub(crate) fn too_many_requests() -> Self {
        let words = "Too many requests, please try again later.".to_owned();
        Self {
            status: 429,
            body: RefusalBody::Html(words),
        }
    }

    /// The gateway refuses a bad or missing API key before the API sees the call.
    pub(crate) fn bad_api_key() -> Self {
        Self::message(403, "Forbidden")
    }

    pub(crate) fn unknown_route() -> Self {
        Self::message(404, "Not Found")
    }

    pub(crate) fn quota_exceeded() -> Self {
        Self::message(429, "Limit Exceeded")
    }

    fn envelope_json(&self, title: &str, detail: &str) -> Value {
        json!({ "status": self.status, "name": status_name(self.status), "title": title, "detail": detail })
    }
}

/// The HTTP status in words. Metriport's documentation shows constants (`NOT_FOUND`); its code prints these words.
fn status_name(status: u16) -> &'static str {
    StatusCode::from_u16(status)
        .ok()
        .and_then(|code| code.canonical_reason())
        .unwrap_or("Error")
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let html = [(header::CONTENT_TYPE, "text/html; charset=utf-8")];
        match &self.body {
            RefusalBody::Envelope { title, detail } => {
                (status, Json(self.envelope_json(title, detail))).into_response()
            }
            RefusalBody::Message(message) => (status, Json(json!({ "message": message }))).into_response(),
            RefusalBody::JsonString(words) => (status, Json(json!(words))).into_response(),
            RefusalBody::Html(words) => (status, html, words.clone()).into_response(),
        }
    }
}

/// Collects all issues of a body, so that one answer names them all.
#[derive(Default)]
pub(crate) struct Issues(Vec<String>);

impl Issues {
    pub(crate) fn add(&mut self, what: &str, path: &str) {
        self.0.push(format!("{what}, on [{path}]"));
    }

    /// Returns `value`, and adds an issue if it is missing.
    pub(crate) fn require<T>(&mut self, value: Option<T>, what: &str, path: &str) -> Option<T> {
        if value.is_none() {
            self.add(what, path);
        }
        value
    }

    pub(crate) fn finish<T>(self, value: Option<T>) -> Result<T, Refusal> {
        match value {
            Some(value) if self.0.is_empty() => Ok(value),
            _ => Err(Refusal::invalid(self.0.join(", "))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_issue_is_named_with_its_path() {
        let mut issues = Issues::default();
        assert_eq!(issues.require(None::<u8>, "Required", "dob"), None);
        issues.add("Required", "lastName");
        let refusal = issues.finish(Some(1)).unwrap_err();
        assert_eq!(refusal, Refusal::invalid("Required, on [dob], Required, on [lastName]"));
    }

    #[test]
    fn status_names_are_words() {
        assert_eq!(status_name(404), "Not Found");
        assert_eq!(status_name(412), "Precondition Failed");
    }
}
