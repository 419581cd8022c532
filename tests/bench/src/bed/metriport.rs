//! Metriport for one person, by script: the shortest answers that carry what is documented
//! (docs.metriport.com, API reference).

use serde_json::{Value, json};

/// The person as the token names them.
pub const EXTERNAL_ID: &str = "person-1";
/// Metriport's patient.
pub const PATIENT: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
/// The identity session.
pub const IDENTITY_SESSION: &str = "ids_0198a0d46c707d1a";
/// What proofing yields.
pub const PROOFED_IDENTITY: &str = "pid_0198a0d46c707d1a";
/// The challenge.
pub const CHALLENGE: &str = "aalc_0198a0d46c707d1a";
/// The network query.
pub const NETWORK_QUERY: &str = "0198a0d4-6c71-7d1a-9b02-3f4e5a6b7c8d";
/// The consolidated query.
pub const CONSOLIDATED_QUERY: &str = "0198a0d4-6c72-7d1a-9b02-3f4e5a6b7c8d";
/// Later than any measurement.
const EXPIRES_AT: &str = "2099-01-01T00:00:00.000Z";

/// Resources of the record: some forty kilobytes.
const RESOURCES: u32 = 200;

/// Answers one request: a status, and a body.
pub fn answer(method: &str, path: &str, body: &Value, base: &str) -> (u16, Value) {
    let created = match (method, path) {
        ("POST", "/medical/v1/patient") => json!({
            "id": PATIENT, "externalId": body["externalId"], "facilityIds": ["facility"], "eTag": "1",
        }),
        ("POST", "/medical/v1/identity/session") => json!({
            "sessionId": IDENTITY_SESSION, "sessionUrl": format!("{base}/s/1"), "expiresAt": EXPIRES_AT,
            "status": "pending",
        }),
        ("POST", "/medical/v1/identity/aal2/challenge") => json!({
            "challengeId": CHALLENGE, "challengeUrl": format!("{base}/aal2/1"), "expiresAt": EXPIRES_AT,
            "method": "totp",
        }),
        ("POST", "/medical/v1/network/query") => json!({
            "requestId": NETWORK_QUERY, "status": "processing",
            "sources": [{ "type": "hie", "source": "national-hie", "status": "processing" }],
        }),
        ("POST", path) if path.ends_with("/consolidated/query") => json!({
            "requestId": CONSOLIDATED_QUERY, "status": "processing",
        }),
        ("GET", "/settings/webhook") => json!({
            "webhookEnabled": true, "webhookRequestsProcessing": 0, "webhookRequestsFailed": 0,
        }),
        _ => {
            return (
                404,
                json!({ "status": 404, "title": "NotFoundError", "detail": "Could not find patient" }),
            );
        }
    };
    (200, created)
}

/// The consolidated record: a bundle of observations.
pub fn record() -> String {
    let entry: Vec<Value> = (0..RESOURCES)
        .map(|number| {
            json!({ "resource": {
                "resourceType": "Observation", "id": format!("o-{number}"), "status": "final",
                "subject": { "reference": format!("Patient/{PATIENT}") },
                "code": { "coding": [{ "system": "http://loinc.org", "code": "8867-4" }] },
                "valueQuantity": { "value": 60 + number % 40, "unit": "/min" },
            } })
        })
        .collect();
    json!({ "resourceType": "Bundle", "type": "collection", "total": entry.len(), "entry": entry }).to_string()
}
