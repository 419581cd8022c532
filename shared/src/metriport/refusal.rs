//! Reads error answers, including odd ones.
//!
//! The envelope is `{status, name, title, detail}` (docs.metriport.com, page `more-info/error-responses`). Metriport
//! also sends other bodies:
//!
//! - the gateway's `{"message": …}` for a bad key, an unknown route, a throttle or a timeout;
//! - plain text for an account without approval;
//! - `text/html` for a rate limit;
//! - a bare JSON string for a locked patient;
//! - an empty body.
//!
//! The HTTP status decides first; the form of the body and a known title refine it. `name` is not read, because the
//! pages and the code spell it differently.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::retry_after::retry_after;
use super::{Mentions, Operation, UpstreamError, UpstreamErrorKind};

/// Titles that Metriport's published code can send. Any other title is not kept, because it may hold anything.
const KNOWN_TITLES: [&str; 11] = [
    "NotFoundError",
    "PatientNotFoundError",
    "BadRequestError",
    "PatientOptedOutError",
    "PatientWithoutTreatmentRelationshipError",
    "ForbiddenError",
    "VersionMismatchError",
    "TooManyRequestsError",
    "InternalServerError",
    "MetriportError",
    "Missing or invalid parameters",
];

/// Reads the refusal in an answer that is not 2xx.
///
/// `shows_aal2` states whether the call carried an AAL2 session. Only then can a 401 or 403 without an explanation be
/// about the session.
pub(super) fn decode(
    operation: Operation,
    status: u16,
    headers: &HeaderMap,
    body: &[u8],
    shows_aal2: bool,
) -> UpstreamError {
    let shape = Shape::of(body);
    let title = shape.title();
    let mentions = if (400..500).contains(&status) {
        shape.mentions(status, shows_aal2)
    } else {
        Mentions::default()
    };
    UpstreamError::new(operation, kind(status, &shape, title, headers))
        .with_status(status)
        .with_title(title)
        .with_mentions(mentions)
}

fn kind(status: u16, shape: &Shape, title: Option<&str>, headers: &HeaderMap) -> UpstreamErrorKind {
    match (status, shape) {
        (401, _) => UpstreamErrorKind::Auth,
        (403, _) if shape.is_about_the_account(status) => UpstreamErrorKind::Auth,
        (403, _) => UpstreamErrorKind::Forbidden,
        (404, Shape::Envelope { .. }) if title == Some("PatientNotFoundError") => UpstreamErrorKind::PatientNotFound,
        (404, Shape::Envelope { .. }) => UpstreamErrorKind::NotFound,
        // Only the API itself knows that a thing does not exist. A 404 without the API's envelope did not reach the
        // API.
        (404, _) => UpstreamErrorKind::NoRoute,
        (400 | 422, _) => bad_request(title),
        (408 | 499 | 504, _) => UpstreamErrorKind::Timeout,
        (409, _) => UpstreamErrorKind::Conflict,
        (412, _) => UpstreamErrorKind::VersionMismatch,
        (423, _) => UpstreamErrorKind::Locked,
        (429, _) => UpstreamErrorKind::RateLimited {
            retry_after: retry_after(headers),
        },
        (400..=499, _) => UpstreamErrorKind::Refused,
        (500..=599, _) => UpstreamErrorKind::Server,
        _ => UpstreamErrorKind::Garbage,
    }
}

fn bad_request(title: Option<&str>) -> UpstreamErrorKind {
    match title {
        Some("PatientOptedOutError") => UpstreamErrorKind::PatientOptedOut,
        Some("PatientWithoutTreatmentRelationshipError") => UpstreamErrorKind::NoTreatmentRelationship,
        _ => UpstreamErrorKind::BadRequest,
    }
}

enum Shape {
    Envelope { title: String, detail: String },
    Gateway(String),
    Text(String),
    Empty,
}

impl Shape {
    fn of(body: &[u8]) -> Self {
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Self::of_object(&fields),
            Ok(Value::String(text)) => Self::Text(text),
            Ok(Value::Null) => Self::Empty,
            Ok(_) => Self::Text(String::new()),
            Err(_not_json) if body.trim_ascii().is_empty() => Self::Empty,
            Err(_not_json) => Self::Text(String::from_utf8_lossy(body).into_owned()),
        }
    }

    fn of_object(fields: &serde_json::Map<String, Value>) -> Self {
        let text = |name: &str| fields.get(name).and_then(Value::as_str).map(str::to_owned);
        match (text("title"), text("detail"), text("message")) {
            (None, None, Some(message)) => Self::Gateway(message),
            (title, detail, _) => Self::Envelope {
                title: title.unwrap_or_default(),
                detail: detail.unwrap_or_default(),
            },
        }
    }

    fn title(&self) -> Option<&'static str> {
        match self {
            Self::Envelope { title, .. } => KNOWN_TITLES.into_iter().find(|known| known == title),
            Self::Gateway(_) | Self::Text(_) | Self::Empty => None,
        }
    }

    fn mentions(&self, status: u16, shows_aal2: bool) -> Mentions {
        let mentions = match self {
            Self::Envelope { title, detail } => Mentions::in_text(&format!("{title} {detail}")),
            // This text does not come from the API. The word `identity` in a path or page of it says nothing about the
            // person's identity.
            Self::Gateway(text) | Self::Text(text) => Mentions {
                identity: false,
                ..Mentions::in_text(text)
            },
            Self::Empty => Mentions::default(),
        };
        if shows_aal2 && !self.is_about_the_account(status) {
            mentions.or_aal2_by_status(status)
        } else {
            mentions
        }
    }

    /// A 403 from the gateway is about the API key; a 403 in plain text is about an account without approval. A new
    /// challenge helps in neither case.
    fn is_about_the_account(&self, status: u16) -> bool {
        status == 403 && matches!(self, Self::Gateway(_) | Self::Text(_))
    }
}
