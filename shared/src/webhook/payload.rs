//! Reads a verified body. Unknown fields are ignored. An event without a required field keeps only its envelope; an
//! identity event then keeps its body.
//!
//! Shapes: docs.metriport.com, pages `handling-data/webhooks-with-nq` and `getting-started/webhooks`. The body of
//! `ias.identity.verified` is not documented; its ids are searched for in all places in which other events have theirs.
//!
//! The links in `network-query` events are not read, because later queries delete and rebuild the file behind them. The
//! pull starts a consolidated query instead.

use std::collections::BTreeMap;

use serde_json::Value;

use super::named;
use super::signature::VerifiedWebhook;
use crate::domain::identity::Verification;
use crate::domain::pull::SourceOutcome;
use crate::domain::{
    IdentitySessionId, MessageId, PatientId, ProofedIdentityId, PullId, RecordId, SourceKind, Time, UpstreamRequestId,
};
use crate::message::webhook::{
    ConsolidatedDelivery, Event, EventKind, IDENTITY_EVENT, Incoming, Marks, UNTYPED, UnclearBody, WebhookEvent,
};
use crate::message::{Link, VERSION};

/// Longest event type that is stored, in characters.
const EVENT_TYPE_MAX: usize = 80;

/// Longest mark that is stored, in characters; ours are shorter.
const MARK_MAX: usize = 64;

/// The metadata key that names a pull, sent upstream and echoed.
pub const PULL_MARK: &str = "runId";
/// The metadata key that names a record.
pub const RECORD_MARK: &str = "recordId";
/// The metadata key that marks an identity session.
pub const IDENTITY_MARK: &str = "identityMark";

impl VerifiedWebhook<'_> {
    /// Reads the content.
    #[must_use]
    pub fn read(&self, received_at: Time) -> Incoming {
        let digest = self.digest();
        let body = named::tree(self.body()).unwrap_or_default();
        let event_type = text(&body, "/meta/type").unwrap_or(UNTYPED);
        if event_type == "ping"
            && let Some(ping) = text(&body, "/ping")
        {
            return Incoming::Ping(ping.to_owned());
        }
        let message = id(&body, "/meta/messageId", MessageId::parse);
        let message = message.unwrap_or_else(|| MessageId::of_digest(&digest));
        Incoming::Event(Box::new(WebhookEvent {
            version: VERSION,
            message,
            digest,
            event_type: printable(event_type),
            request: id(&body, "/meta/requestId", UpstreamRequestId::parse),
            when: text(&body, "/meta/when").and_then(|when| Time::parse(when).ok()),
            received_at,
            marks: marks(&body),
            event: self.event(event_type, &body),
        }))
    }

    fn event(&self, event_type: &str, body: &Value) -> Event {
        match EventKind::of_type(event_type) {
            EventKind::Source => source(event_type, body),
            EventKind::Consolidated => delivery(body).map(|delivery| Event::Consolidated { delivery }),
            EventKind::Identity => Some(match verification(body) {
                Some(verification) if verification.names_its_session() => Event::Identity { verification },
                _ => self.unclear_identity(),
            }),
            EventKind::Unreadable if self.speaks_of_an_identity() => Some(self.unclear_identity()),
            EventKind::Ping | EventKind::Unreadable | EventKind::Other => None,
        }
        .unwrap_or(Event::Other)
    }

    /// Whether a body without a type, or one that is not JSON, contains the type of the identity event. It may then be
    /// the only report of a person's proofing.
    fn speaks_of_an_identity(&self) -> bool {
        let name = IDENTITY_EVENT.as_bytes();
        self.body().windows(name.len()).any(|window| window == name)
    }

    fn unclear_identity(&self) -> Event {
        Event::IdentityUnclear {
            body: UnclearBody(String::from_utf8_lossy(self.body()).into_owned()),
        }
    }
}

impl UnclearBody {
    /// The verification in the body, as far as it can be read.
    #[must_use]
    pub fn verification(&self) -> Option<Verification> {
        verification(&named::tree(self.0.as_bytes())?)
    }
}

fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn id<T, E>(value: &Value, pointer: &str, parse: impl Fn(String) -> Result<T, E>) -> Option<T> {
    text(value, pointer).and_then(|text| parse(text.to_owned()).ok())
}

/// Event types are Metriport's own words. Only characters that a type normally has are kept.
fn printable(event_type: &str) -> String {
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    event_type.chars().filter(allowed).take(EVENT_TYPE_MAX).collect()
}

fn marks(body: &Value) -> Marks {
    let mark = |name: &str| {
        body.pointer("/meta/data")
            .and_then(|data| data.get(name))
            .and_then(Value::as_str)
    };
    Marks {
        pull: mark(PULL_MARK).and_then(|pull| PullId::parse(pull).ok()),
        record: mark(RECORD_MARK).and_then(|record| RecordId::parse(record).ok()),
        identity: mark(IDENTITY_MARK).map(|mark| mark.chars().take(MARK_MAX).collect()),
    }
}

fn outcome(word: &str) -> Option<SourceOutcome> {
    match word {
        "completed" => Some(SourceOutcome::Completed),
        "failed" => Some(SourceOutcome::Failed),
        _ => None,
    }
}

/// Metriport counts a skipped source as answered (published `@metriport/shared`).
fn source_outcome(word: &str) -> Option<SourceOutcome> {
    match word {
        "skipped" => Some(SourceOutcome::Completed),
        word => outcome(word),
    }
}

fn source(event_type: &str, body: &Value) -> Option<Event> {
    let named = text(body, "/payload/source/type").or_else(|| event_type.strip_prefix("network-query."));
    Some(Event::Source {
        patient: id(body, "/payload/patientId", PatientId::parse)?,
        source: SourceKind::from_wire(named?)?,
        status: source_outcome(text(body, "/payload/source/status")?)?,
    })
}

fn delivery(body: &Value) -> Option<ConsolidatedDelivery> {
    let patient = body.pointer("/patients/0")?;
    let bundle = patient.get("bundle").and_then(Value::as_object);
    let entries = bundle.map(|bundle| bundle.get("entry").unwrap_or(&Value::Null));
    let resources = entries.and_then(Value::as_array).into_iter().flatten();
    let mut resources = resources.filter_map(|entry| entry.get("resource"));
    let document = resources.find(|resource| text(resource, "/resourceType") == Some("DocumentReference"));
    let subject = document.and_then(|document| text(document, "/subject/reference"));
    Some(ConsolidatedDelivery {
        patient: id(patient, "/patientId", PatientId::parse)?,
        status: outcome(text(patient, "/status")?)?,
        filters: patient
            .get("filters")
            .and_then(Value::as_object)
            .map(filters)
            .unwrap_or_default(),
        subject: subject
            .and_then(|s| s.strip_prefix("Patient/"))
            .and_then(|s| PatientId::parse(s).ok()),
        link: document.and_then(link).map(Link::new),
        empty: entries.is_some_and(is_empty),
    })
}

/// The link to the document in the requested form. For JSON, Metriport also attaches a gzip copy of the same record.
/// The copy is preferred, because it has a tenth of the bytes.
fn link(document: &Value) -> Option<String> {
    let attachments = document.get("content")?.as_array()?.iter();
    let attachments: Vec<&Value> = attachments.filter_map(|content| content.get("attachment")).collect();
    let is_packed = |attachment: &&&Value| text(attachment, "/contentType") == Some("application/gzip");
    let urls = |packed: bool| {
        let chosen = attachments
            .iter()
            .filter(move |attachment| is_packed(attachment) == packed);
        chosen.filter_map(|attachment| text(attachment, "/url"))
    };
    urls(true).chain(urls(false)).next().map(str::to_owned)
}

/// FHIR forbids empty lists (hl7.org/fhir/R4/json.html), so an empty Bundle may have no `entry`.
fn is_empty(entries: &Value) -> bool {
    entries.is_null() || entries.as_array().is_some_and(Vec::is_empty)
}

/// The published schema allows texts, booleans and null; null means the same as an absent filter.
fn filters(map: &serde_json::Map<String, Value>) -> BTreeMap<String, String> {
    let values = map.iter().filter(|(_, value)| !value.is_null());
    let spelled = values.map(|(name, value)| {
        (
            name.clone(),
            value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        )
    });
    spelled.collect()
}

/// Places where the ids of a verification may be.
const PLACES: [&str; 9] = [
    "/payload",
    "",
    "/payload/patient",
    "/payload/identity",
    "/payload/data",
    "/patients/0",
    "/identity",
    "/data",
    "/meta",
];

/// The ids under a name, each once.
fn ids<T: PartialEq, E>(body: &Value, name: &str, parse: impl Fn(String) -> Result<T, E>) -> Vec<T> {
    let mut ids = Vec::new();
    for place in PLACES {
        if let Some(id) = id(body, &format!("{place}/{name}"), &parse)
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    ids
}

/// The verification that a body reports. `None` if the body names no proofed identity, two of them, or two patients,
/// because it does not show which one is meant. If the body names several sessions, the caller chooses the session that
/// we opened.
fn verification(body: &Value) -> Option<Verification> {
    let mut proofed = ids(body, "proofedIdentityId", ProofedIdentityId::parse);
    let mut patients = ids(body, "patientId", PatientId::parse);
    let mut sessions = ids(body, "sessionId", IdentitySessionId::parse);
    if let Some(request) = id(body, "/meta/requestId", IdentitySessionId::parse)
        && !sessions.contains(&request)
    {
        sessions.push(request);
    }
    // A `sessionId` without this prefix belongs to another service, such as the proofing service.
    sessions.retain(|session| session.as_str().starts_with("ids_"));
    let (proofed_identity, patient) = (proofed.pop()?, patients.pop());
    (proofed.is_empty() && patients.is_empty()).then(|| Verification {
        proofed_identity,
        sessions,
        patient,
        mark: marks(body).identity,
    })
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;
