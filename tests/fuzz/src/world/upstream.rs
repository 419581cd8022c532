//! Metriport on a good day: what is asked for is answered as documented (docs.metriport.com, API reference).

use serde_json::{Value, json};

use super::loopback::{Answer, Asked};

/// The one patient.
pub const PATIENT: &str = "0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4";
/// The one identity session.
pub const SESSION: &str = "ids_7f3c1d";
/// The one challenge.
pub const CHALLENGE: &str = "aalc_51b0c2";
/// The one network or consolidated query.
pub const REQUEST: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
const FAR: &str = "2099-01-01T00:00:00.000Z";

/// Answers one call.
pub fn answer(asked: &Asked<'_>) -> Answer {
    let path = asked.path().split('?').next().unwrap_or_default();
    let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
    match (asked.method(), path) {
        ("GET", "/medical/v1/patient/external-id") => Answer::json(
            404,
            &json!({ "status": 404, "name": "Not Found", "title": "PatientNotFoundError", "detail": "none" }),
        ),
        ("POST", "/medical/v1/identity/session") => Answer::json(
            201,
            &json!({
                "sessionId": SESSION, "sessionUrl": "https://auth.example.test/s/1", "expiresAt": FAR,
                "status": "pending",
            }),
        ),
        ("POST", "/medical/v1/identity/aal2/challenge") => Answer::json(
            201,
            &json!({
                "challengeId": CHALLENGE, "challengeUrl": "https://auth.example.test/c/1", "expiresAt": FAR,
                "method": "totp",
            }),
        ),
        (_, path) if path.contains("/network/query") || path.contains("/consolidated/query") => Answer::json(
            200,
            &json!({ "requestId": REQUEST, "status": "processing", "sources": [] }),
        ),
        _ => Answer::json(
            201,
            &json!({ "id": PATIENT, "eTag": "0", "externalId": body.get("externalId") }),
        ),
    }
}
