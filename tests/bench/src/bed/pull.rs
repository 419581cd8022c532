//! One person's pull, from the first request to the record in their hands: each step is one function's event, and what
//! one function leaves behind is what the next one finds.

use serde_json::{Value, json};

use super::answers::RECORD_PATH;
use super::events::{Asked, message, tick, webhook};
use super::metriport::{
    CHALLENGE, CONSOLIDATED_QUERY, EXTERNAL_ID, IDENTITY_SESSION, NETWORK_QUERY, PATIENT, PROOFED_IDENTITY,
};
use super::world::World;
use crate::Problem;

/// A function, and what it is given.
#[derive(Debug, Clone, Copy)]
pub struct Step {
    /// The function's name.
    pub function: &'static str,
    /// Whether this is the event the function is measured with; the others lead there.
    pub measured: bool,
    event: Event,
}

#[derive(Debug, Clone, Copy)]
enum Event {
    LinkPatient,
    OpenIdentity,
    Identity,
    Webhook,
    Challenge,
    Accept,
    Advance(&'static str),
    Source,
    Consolidated,
    Fetch,
    Read,
    Tick,
}

const fn leads(function: &'static str, event: Event) -> Step {
    Step {
        function,
        measured: false,
        event,
    }
}

const fn measured(function: &'static str, event: Event) -> Step {
    Step {
        function,
        measured: true,
        event,
    }
}

/// The steps of a pull, in their order.
pub const STEPS: [Step; 15] = [
    measured("identity-session", Event::LinkPatient),
    leads("identity-session", Event::OpenIdentity),
    leads("webhook-intake", Event::Identity),
    leads("webhook-process", Event::Webhook),
    measured("aal2-challenge", Event::Challenge),
    measured("network-query", Event::Accept),
    measured("query-dispatch", Event::Advance("run")),
    measured("webhook-intake", Event::Source),
    measured("webhook-process", Event::Webhook),
    leads("query-dispatch", Event::Advance("record")),
    leads("webhook-intake", Event::Consolidated),
    leads("webhook-process", Event::Webhook),
    measured("record-fetch", Event::Fetch),
    measured("record-read", Event::Read),
    measured("reconcile", Event::Tick),
];

impl Step {
    /// The event, as the state of the world has it now.
    ///
    /// # Errors
    /// When what should lead there is missing.
    pub fn event(&self, world: &World) -> Result<Value, Problem> {
        let asked = |route, headers: &[(&str, &str)], body| {
            Asked {
                route,
                id: None,
                headers,
                body,
            }
            .event()
        };
        let new = |key| [("idempotency-key", key)];
        let back = json!({ "redirectUrl": "https://app.example.test/back" });
        Ok(match self.event {
            Event::LinkPatient => asked("PUT /v1/patient", &[], demographics()),
            Event::OpenIdentity => asked("POST /v1/identity-sessions", &new("session"), back),
            Event::Challenge => asked("POST /v1/aal2-challenges", &new("challenge"), back),
            Event::Accept => {
                let session = [
                    ("idempotency-key", "query"),
                    ("x-aal2-session", "aal2s_0198a0d46c707d1a"),
                ];
                let sources = json!({ "hie": { "enabled": true } });
                let body = json!({ "challengeId": CHALLENGE, "aal2Status": "verified", "sources": sources });
                asked("POST /v1/network-queries", &session, body)
            }
            Event::Identity => {
                let sent = sent(world, "/medical/v1/identity/session");
                let ids = json!({ "patientId": PATIENT, "externalId": EXTERNAL_ID, "sessionId": IDENTITY_SESSION,
                    "proofedIdentityId": PROOFED_IDENTITY });
                webhook(&json!({ "meta": meta("ias.identity.verified", IDENTITY_SESSION, &sent), "payload": ids }))
            }
            Event::Source => {
                let sent = sent(world, "/medical/v1/network/query");
                let source = json!({ "type": "hie", "source": "national-hie", "status": "completed",
                    "completedAt": "2026-11-22T11:31:06.900Z" });
                let payload = json!({ "patientId": PATIENT, "externalId": EXTERNAL_ID, "purposeOfUse": "ias",
                    "source": source });
                webhook(&json!({ "meta": meta("network-query.hie", NETWORK_QUERY, &sent), "payload": payload }))
            }
            Event::Consolidated => {
                let sent = sent(world, &format!("/medical/v1/patient/{PATIENT}/consolidated/query"));
                webhook(&consolidated(&world.hosts.records, &sent))
            }
            Event::Webhook => message("webhook-events", &last(world, "webhook-events", "message")?),
            Event::Advance(subject) => message("run-advance", &last(world, "run-advance", subject)?),
            Event::Fetch => message("record-fetch", &last(world, "record-fetch", "record")?),
            Event::Read => {
                let fetched: Value = serde_json::from_str(&last(world, "record-fetch", "record")?)?;
                let id = fetched["record"].as_str();
                let (route, body) = ("GET /v1/records/{id}", Value::Null);
                Asked {
                    route,
                    id,
                    headers: &[],
                    body,
                }
                .event()
            }
            Event::Tick => tick(),
        })
    }

    /// Whether the function did what was asked of it, by its reply and by what it was seen to do.
    pub fn is_done(&self, reply: &Value, world: &World) -> bool {
        let refused = reply["statusCode"].as_u64().is_some_and(|status| status >= 300);
        let failed = reply["batchItemFailures"]
            .as_array()
            .is_some_and(|failed| !failed.is_empty());
        let state = world.state();
        let gave_up = state.queues.keys().any(|queue| queue.ends_with("dead-letters"));
        let stored = |call: &Value| call["operation"] == "PutObject";
        let stored = !matches!(self.event, Event::Fetch) || state.seen.calls.iter().any(stored);
        !refused && !failed && !gave_up && stored
    }
}

fn demographics() -> Value {
    json!({
        "firstName": "Ada", "lastName": "Quill", "genderAtBirth": "F", "dob": "1961-04-09",
        "address": [{ "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "phone": "9375550142", "email": "quill@example.test" }],
    })
}

fn meta(event_type: &str, request: &str, data: &Value) -> Value {
    json!({ "messageId": format!("m-{event_type}"), "requestId": request, "when": "2026-11-22T11:31:07.412Z",
        "type": event_type, "data": data })
}

fn consolidated(host: &str, sent: &Value) -> Value {
    let url = format!("https://{host}{RECORD_PATH}");
    let resource = json!({ "resourceType": "DocumentReference",
        "subject": { "reference": format!("Patient/{PATIENT}") },
        "content": [{ "attachment": { "contentType": "application/json", "url": url } }] });
    let bundle = json!({ "resourceType": "Bundle", "type": "searchset", "total": 1,
        "entry": [{ "resource": resource }] });
    json!({ "meta": meta("medical.consolidated-data", CONSOLIDATED_QUERY, sent), "patients": [{
        "patientId": PATIENT, "externalId": EXTERNAL_ID, "status": "completed",
        "filters": { "resources": "", "dateFrom": "", "dateTo": "", "conversionType": "json" },
        "bundle": bundle,
    }] })
}

/// The metadata that was sent upstream.
fn sent(world: &World, path: &str) -> Value {
    world.state().metadata.get(path).cloned().unwrap_or_default()
}

/// The last message of a queue that has this field.
fn last(world: &World, queue: &str, field: &str) -> Result<String, Problem> {
    let has = |body: &&String| serde_json::from_str::<Value>(body).is_ok_and(|body| !body[field].is_null());
    let state = world.state();
    let found = state.queues.get(queue).and_then(|queue| queue.iter().rev().find(has));
    Ok(found
        .cloned()
        .ok_or_else(|| format!("no message with `{field}` was sent to {queue}"))?)
}
