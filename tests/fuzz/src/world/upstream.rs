//! Plays Metriport: answers each call as documented (docs.metriport.com, API reference).

use serde_json::{Value, json};

use super::loopback::{Answer, LoopbackRequest};
use super::people::Person;

/// The first patient.
pub const PATIENT: &str = "0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4";
/// The first identity session.
pub const SESSION: &str = "ids_7f3c1d";
/// The challenge of every person.
pub const CHALLENGE: &str = "aalc_51b0c2";
/// The first network query.
pub const REQUEST: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
const FAR: &str = "2099-01-01T00:00:00.000Z";

/// Answers one call. A record link leads to a record, unless its path ends in a fault: `cut`, `none` or `dead`.
pub fn answer(request: &LoopbackRequest<'_>) -> Answer {
    let path = request.path().split('?').next().unwrap_or_default();
    let body: Value = serde_json::from_slice(request.body).unwrap_or_default();
    let person = Person::of_call(&format!("{} {body}", request.path()));
    match (request.method(), path) {
        ("GET", "/record") => Answer::json(200, &record(person)),
        ("GET", "/record/cut") => Answer::text(200, r#"{"resourceType":"Bundle","entry":["#),
        ("GET", "/record/none") => Answer::json(200, &json!({ "resourceType": "OperationOutcome" })),
        ("GET", "/medical/v1/patient/external-id" | "/record/dead") => Answer::json(
            404,
            &json!({ "status": 404, "name": "Not Found", "title": "PatientNotFoundError", "detail": "none" }),
        ),
        ("POST", "/medical/v1/identity/session") => Answer::json(
            201,
            &json!({
                "sessionId": person.session, "sessionUrl": "https://auth.example.test/s/1", "expiresAt": FAR,
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
        ("GET", path) if path.contains("/network/query") => Answer::json(
            200,
            &json!({
                "requestId": person.request, "status": "processing",
                "sources": [{ "type": "hie", "status": "completed" }, { "type": "pharmacy", "status": "processing" }],
            }),
        ),
        (_, path) if path.contains("/consolidated/query") => Answer::json(
            200,
            &json!({ "requestId": person.consolidated, "status": "processing" }),
        ),
        (_, path) if path.contains("/network/query") => Answer::json(
            200,
            &json!({ "requestId": person.request, "status": "processing", "sources": [] }),
        ),
        _ => Answer::json(
            201,
            &json!({ "id": person.patient, "eTag": "0", "externalId": body.get("externalId") }),
        ),
    }
}

fn record(person: &Person) -> Value {
    let patient = json!({ "resourceType": "Patient", "id": person.patient });
    json!({ "resourceType": "Bundle", "type": "searchset", "total": 1, "entry": [{ "resource": patient }] })
}
