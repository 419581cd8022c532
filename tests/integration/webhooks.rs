//! Webhooks, expected and unexpected. The webhooks that the tests write have Metriport's form.

mod deliveries;
mod oddities;
mod repeats;
mod signatures;
mod variants;

use sandbox_metriport::Operation;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};

const PATH: &str = "/v1/webhooks/metriport";
const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

/// Metriport's event for the end of a source, without our metadata.
pub(crate) fn source_event(patient: &str, request: &str, message: &str, source: &str) -> Value {
    json!({
        "meta": {
            "messageId": message, "requestId": request, "when": LONG_AGO,
            "type": format!("network-query.{source}"),
        },
        "payload": { "patientId": patient, "source": { "type": source, "status": "completed" } },
    })
}

/// Metriport's event for the end of a consolidated query, with a link.
fn delivery(patient: &str, request: &str, message: &str, link: &str) -> Value {
    let attachment = json!({ "contentType": "application/json", "url": link });
    let document = json!({
        "resourceType": "DocumentReference",
        "subject": { "reference": format!("Patient/{patient}") },
        "content": [{ "attachment": attachment }],
    });
    let filters = json!({ "resources": "", "dateFrom": "", "dateTo": "", "conversionType": "json" });
    json!({
        "meta": { "messageId": message, "requestId": request, "when": LONG_AGO, "type": "medical.consolidated-data" },
        "patients": [{
            "patientId": patient, "status": "completed", "filters": filters,
            "bundle": { "resourceType": "Bundle", "total": 1, "entry": [{ "resource": document }] },
        }],
    })
}

pub(crate) async fn source(person: &Person, pull: &str, name: &str) -> String {
    let pull = person.read_pull(pull).await;
    let found = pull
        .list("/sources")
        .iter()
        .find(|source| source["type"] == name)
        .cloned();
    found
        .and_then(|source| Some(source["status"].as_str()?.to_owned()))
        .unwrap_or_default()
}

fn calls(app: &TestApp, operation: Operation) -> u64 {
    app.stand_in().stats().calls(operation)
}
