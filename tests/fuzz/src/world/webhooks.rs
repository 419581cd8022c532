//! Webhooks as Metriport sends and signs them.

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::WEBHOOK_KEY;
use super::events::demographics;
use super::people::{FIRST, OFFERED, Person, STARTED};
use super::upstream::REQUEST;

/// The signature that Metriport would send (docs.metriport.com, page `getting-started/webhooks`).
#[must_use]
pub fn sign(body: &[u8]) -> String {
    // HMAC takes a key of any length.
    let mac = Hmac::<Sha256>::new_from_slice(WEBHOOK_KEY.as_bytes());
    mac.map(|mac| hex::encode(mac.chain_update(body).finalize().into_bytes()))
        .unwrap_or_default()
}

/// `number` distinguishes the message ids of one person's webhooks. The webhooks that `Steps` delivers have 1 and 2.
fn meta(kind: &str, person: &Person, number: &str, request: &str) -> Value {
    json!({
        "messageId": format!("0198a0e0-0000-7000-8000-000000000{number}{}", person.digits), "requestId": request,
        "when": "2026-11-22T10:03:22.000Z", "type": kind,
        "data": { "runId": REQUEST, "recordId": REQUEST, "env": "fuzz" },
    })
}

/// The webhook that confirms a person's identity.
#[must_use]
pub fn identity_verified(person: &Person, number: &str) -> Value {
    let mut meta = meta("ias.identity.verified", person, number, REQUEST);
    if let Some(fields) = meta.as_object_mut() {
        fields.remove("data");
    }
    json!({
        "meta": meta,
        "payload": { "proofedIdentityId": "pid_9c1e44", "sessionId": person.session, "patientId": person.patient },
    })
}

/// The webhook with the link of a record.
#[must_use]
pub fn consolidated(person: &Person, number: &str, link: &str) -> Value {
    let attachment = |kind: &str, url: &str| json!({ "attachment": { "contentType": kind, "url": url } });
    let document = json!({
        "resourceType": "DocumentReference", "subject": { "reference": format!("Patient/{}", person.patient) },
        "content": [attachment("application/json", link), attachment("application/gzip", "https://x.example.test/gz")],
    });
    json!({
        "meta": meta("medical.consolidated-data", person, number, person.consolidated),
        "patients": [{
            "patientId": person.patient, "externalId": person.subject, "status": "completed",
            "filters": { "resources": "", "dateFrom": "", "dateTo": "", "conversionType": "json" },
            "bundle": { "resourceType": "Bundle", "total": 1, "type": "searchset", "entry": [{ "resource": document }] },
        }],
    })
}

/// An identity webhook whose ids are in `patients`, as in other events. Its `payload` has the session id of another
/// service.
fn identity_elsewhere(person: &Person) -> Value {
    let usual = identity_verified(person, "8");
    json!({
        "meta": usual.get("meta"), "patients": [usual.get("payload")], "payload": { "sessionId": "ids_0198a0f0" },
    })
}

/// The webhook of a consolidated query that found nothing, in a form that Metriport's published schema allows.
fn nothing_found(person: &Person) -> Value {
    json!({
        "meta": meta("medical.consolidated-data", person, "8", person.consolidated),
        "patients": [{
            "patientId": person.patient, "status": "completed", "filters": { "resources": null, "dateFrom": false },
            "bundle": { "resourceType": "Bundle", "type": "searchset", "total": 0 },
        }],
    })
}

fn source(person: &Person, kind: &str) -> Value {
    json!({
        "meta": meta(&format!("network-query.{kind}"), person, "9", person.request),
        "payload": {
            "patientId": person.patient, "externalId": person.subject,
            "source": { "type": kind, "status": "completed", "source": "national-hie" },
            "consolidatedDataUrl": "https://records.example.test/network?X-Amz-Signature=00",
        },
    })
}

/// Every kind of webhook, and a webhook that was delivered before.
#[must_use]
pub fn every_kind() -> Vec<Value> {
    let other = |kind: &str| meta(kind, &STARTED, "9", STARTED.request);
    vec![
        source(&STARTED, "hie"),
        source(&STARTED, "pharmacy"),
        source(&STARTED, "lab"),
        json!({ "meta": other("network-query.hie.first-data-ready"), "payload": { "patientId": STARTED.patient } }),
        consolidated(&STARTED, "9", "https://records.example.test/x?X-Amz-Signature=1"),
        identity_verified(&FIRST, "9"),
        identity_verified(&OFFERED, "1"),
        identity_elsewhere(&FIRST),
        nothing_found(&STARTED),
        json!({ "meta": other("ias.identity.verified"), "payload": { "elsewhere": { "proofedIdentityId": "pid_1" } } }),
        json!({ "meta": other("ping"), "ping": "p-1" }),
        json!({ "meta": other("patient.admit"), "payload": demographics() }),
    ]
}
