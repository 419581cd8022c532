//! Tests every known form of Metriport's error answers.

use std::time::Duration;

use serde_json::{Value, json};
use shared::metriport::{Effect, UpstreamError, UpstreamErrorKind};

use crate::upstream::{Answer, Upstream, patient_id};

async fn error(answer: Answer) -> UpstreamError {
    let upstream = Upstream::answering(answer).await;
    upstream.client().get_patient(&patient_id()).await.unwrap_err()
}

fn envelope(status: u16, title: &str) -> Answer {
    let name = "SOME_NAME";
    Answer::json(
        status,
        &json!({"status": status, "name": name, "title": title, "detail": "words", "additionalInfo": {}}),
    )
}

#[tokio::test]
async fn envelope_gives_kind_status_and_title() {
    let cases = [
        (400, "BadRequestError", UpstreamErrorKind::BadRequest),
        (400, "Missing or invalid parameters", UpstreamErrorKind::BadRequest),
        (400, "PatientOptedOutError", UpstreamErrorKind::PatientOptedOut),
        (
            400,
            "PatientWithoutTreatmentRelationshipError",
            UpstreamErrorKind::NoTreatmentRelationship,
        ),
        (401, "MetriportError", UpstreamErrorKind::Auth),
        (403, "ForbiddenError", UpstreamErrorKind::Forbidden),
        (404, "NotFoundError", UpstreamErrorKind::NotFound),
        (404, "PatientNotFoundError", UpstreamErrorKind::PatientNotFound),
        (409, "MetriportError", UpstreamErrorKind::Conflict),
        (412, "VersionMismatchError", UpstreamErrorKind::VersionMismatch),
        (418, "MetriportError", UpstreamErrorKind::Refused),
        (422, "BadRequestError", UpstreamErrorKind::BadRequest),
        (
            429,
            "TooManyRequestsError",
            UpstreamErrorKind::RateLimited { retry_after: None },
        ),
        (500, "InternalServerError", UpstreamErrorKind::Server),
    ];
    for (status, title, kind) in cases {
        let error = error(envelope(status, title)).await;
        assert_eq!(
            (error.kind(), error.status(), error.title()),
            (kind, Some(status), Some(title))
        );
        assert_eq!(error.effect() == Effect::Refused, status < 500, "{error}");
    }
}

#[tokio::test]
async fn unknown_title_is_not_kept() {
    assert_eq!(error(envelope(400, "Nora Quill is unknown")).await.title(), None);
}

#[tokio::test]
async fn gateway_message_gives_the_kind() {
    let message = |status, text: &str| Answer::json(status, &json!({"message": text}));
    let cases = [
        (403, "Forbidden", UpstreamErrorKind::Auth),
        (404, "Not Found", UpstreamErrorKind::NoRoute),
        (
            429,
            "Limit Exceeded",
            UpstreamErrorKind::RateLimited { retry_after: None },
        ),
        (
            400,
            "Cannot create more than 20 patients in the sandbox",
            UpstreamErrorKind::BadRequest,
        ),
        (504, "Endpoint request timed out", UpstreamErrorKind::Timeout),
        (503, "Service Unavailable", UpstreamErrorKind::Server),
    ];
    for (status, text, kind) in cases {
        assert_eq!(error(message(status, text)).await.kind(), kind);
    }
}

#[tokio::test]
async fn body_that_is_not_an_object_gives_the_kind() {
    let text = |status, body: &str| Answer::new(status, "text/plain", body);
    let json = |status, body: &Value| Answer::json(status, body);
    let cases = [
        (text(403, "Medical API access is not enabled"), UpstreamErrorKind::Auth),
        (json(423, &json!("Patient is locked")), UpstreamErrorKind::Locked),
        (json(400, &json!(["a", 1])), UpstreamErrorKind::BadRequest),
        (json(400, &json!(null)), UpstreamErrorKind::BadRequest),
        (text(404, "<html>Cannot GET</html>"), UpstreamErrorKind::NoRoute),
        (text(404, ""), UpstreamErrorKind::NoRoute),
        (text(400, ""), UpstreamErrorKind::BadRequest),
        (text(409, "{\"status\":409,\"title\":"), UpstreamErrorKind::Conflict),
        (
            Answer::new(400, "application/octet-stream", [0xff, 0x00, 0xfe]),
            UpstreamErrorKind::BadRequest,
        ),
        (text(502, "<html>Bad Gateway</html>"), UpstreamErrorKind::Server),
        (text(408, ""), UpstreamErrorKind::Timeout),
    ];
    for (answer, kind) in cases {
        let shown = format!("{answer:?}");
        assert_eq!(error(answer).await.kind(), kind, "{shown}");
    }
}

#[tokio::test]
async fn rate_limit_in_html_names_the_wait() {
    let limited = Answer::new(
        429,
        "text/html; charset=utf-8",
        "Too many requests, please try again later.",
    )
    .header("ratelimit-limit", "15")
    .header("ratelimit-remaining", "0")
    .header("ratelimit-reset", "41")
    .header("retry-after", "42");
    let error = error(limited).await;
    assert_eq!(error.retry_after(), Some(Duration::from_secs(42)));
    assert_eq!(
        (error.effect(), error.retryable(), error.status()),
        (Effect::Refused, true, Some(429))
    );
}
