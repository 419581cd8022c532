//! Every known shape of an error.

use std::time::Duration;

use serde_json::{Value, json};
use shared::metriport::{Effect, UpstreamError, UpstreamErrorKind as Kind};

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
async fn the_envelope() {
    let cases = [
        (400, "BadRequestError", Kind::BadRequest),
        (400, "Missing or invalid parameters", Kind::BadRequest),
        (400, "PatientOptedOutError", Kind::PatientOptedOut),
        (
            400,
            "PatientWithoutTreatmentRelationshipError",
            Kind::NoTreatmentRelationship,
        ),
        (401, "MetriportError", Kind::Auth),
        (403, "ForbiddenError", Kind::Forbidden),
        (404, "NotFoundError", Kind::NotFound),
        (404, "PatientNotFoundError", Kind::PatientNotFound),
        (409, "MetriportError", Kind::Conflict),
        (412, "VersionMismatchError", Kind::VersionMismatch),
        (418, "MetriportError", Kind::Refused),
        (422, "BadRequestError", Kind::BadRequest),
        (429, "TooManyRequestsError", Kind::RateLimited { retry_after: None }),
        (500, "InternalServerError", Kind::Server),
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
async fn an_unknown_title_is_not_kept() {
    assert_eq!(error(envelope(400, "Nora Quill is unknown")).await.title(), None);
}

#[tokio::test]
async fn the_gateways_message() {
    let message = |status, text: &str| Answer::json(status, &json!({"message": text}));
    let cases = [
        (403, "Forbidden", Kind::Auth),
        (404, "Not Found", Kind::NoRoute),
        (429, "Limit Exceeded", Kind::RateLimited { retry_after: None }),
        (
            400,
            "Cannot create more than 20 patients in the sandbox",
            Kind::BadRequest,
        ),
        (504, "Endpoint request timed out", Kind::Timeout),
        (503, "Service Unavailable", Kind::Server),
    ];
    for (status, text, kind) in cases {
        assert_eq!(error(message(status, text)).await.kind(), kind);
    }
}

#[tokio::test]
async fn bodies_that_are_no_object() {
    let text = |status, body: &str| Answer::new(status, "text/plain", body);
    let json = |status, body: &Value| Answer::json(status, body);
    let cases = [
        (text(403, "Medical API access is not enabled"), Kind::Auth),
        (json(423, &json!("Patient is locked")), Kind::Locked),
        (json(400, &json!(["a", 1])), Kind::BadRequest),
        (json(400, &json!(null)), Kind::BadRequest),
        (text(404, "<html>Cannot GET</html>"), Kind::NoRoute),
        (text(404, ""), Kind::NoRoute),
        (text(400, ""), Kind::BadRequest),
        (text(409, "{\"status\":409,\"title\":"), Kind::Conflict),
        (
            Answer::new(400, "application/octet-stream", [0xff, 0x00, 0xfe]),
            Kind::BadRequest,
        ),
        (text(502, "<html>Bad Gateway</html>"), Kind::Server),
        (text(408, ""), Kind::Timeout),
    ];
    for (answer, kind) in cases {
        let shown = format!("{answer:?}");
        assert_eq!(error(answer).await.kind(), kind, "{shown}");
    }
}

#[tokio::test]
async fn a_rate_limit_in_html_says_how_long() {
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
