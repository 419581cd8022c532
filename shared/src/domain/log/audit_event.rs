//! The access log as a FHIR R4 `Bundle` of `AuditEvent` (hl7.org/fhir/R4/auditevent.html), without profiles.
//!
//! `type`, `recorded`, `agent` and `source` are required. Codes are those of the value sets to which R4 binds them:
//! `audit-event-type`, `audit-event-action`, `audit-event-outcome`, `v3-PurposeOfUse`, `participation-role-type`,
//! `audit-source-type` and `audit-entity-type`. References name identifiers and never a URL, because the API serves no
//! FHIR resources.

use serde_json::{Value, json};
use uuid::Uuid;

use super::entry::LogEntryError;
use super::{Access, Actor, LogEntry, leaf};
use crate::domain::OwnerId;

/// Code systems of HL7 and DICOM.
const EVENT_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-event-type";
const SOURCE_TYPE: &str = "http://terminology.hl7.org/CodeSystem/security-source-type";
const ENTITY_TYPE: &str = "http://terminology.hl7.org/CodeSystem/audit-entity-type";
const ACT_REASON: &str = "http://terminology.hl7.org/CodeSystem/v3-ActReason";
const DICOM: &str = "http://dicom.nema.org/resources/ontology/DCM";

/// The page of a log that a Bundle shows.
#[derive(Debug, Clone, Copy)]
pub struct AuditBundle<'a> {
    /// The person.
    pub owner: &'a OwnerId,
    /// Name of the stack.
    pub stack: &'a str,
    /// URL of this page.
    pub page: &'a str,
    /// URL of the next page.
    pub next: Option<&'a str>,
}

impl AuditBundle<'_> {
    /// The Bundle of these entries, given by their stored texts.
    ///
    /// # Errors
    /// Fails if a text is not an entry.
    pub fn render(&self, texts: &[&str]) -> Result<Value, LogEntryError> {
        let entries = texts.iter().map(|text| {
            let entry = LogEntry::parse(text)?;
            Ok(json!({
                "fullUrl": format!("urn:uuid:{}", name(text)),
                "resource": self.audit_event(&entry),
            }))
        });
        let link = |(relation, url)| json!({ "relation": relation, "url": url });
        let links = [Some(("self", self.page)), self.next.map(|next| ("next", next))];
        Ok(without_empty(json!({
            "resourceType": "Bundle",
            "type": "searchset",
            "link": links.into_iter().flatten().map(link).collect::<Vec<_>>(),
            "entry": entries.collect::<Result<Vec<_>, _>>()?,
        })))
    }

    fn audit_event(&self, entry: &LogEntry) -> Value {
        without_empty(json!({
            "resourceType": "AuditEvent",
            "type": coding(EVENT_TYPE, "rest", "RESTful Operation"),
            "subtype": subtypes(entry),
            "action": action(entry.what),
            "recorded": entry.at.to_string(),
            "outcome": "0",
            "outcomeDesc": entry.result,
            "purposeOfEvent": [{ "coding": [coding(ACT_REASON, "PATRQT", "patient requested")] }],
            "agent": self.agents(entry),
            "source": {
                "site": entry.via,
                "observer": identifier("stack", self.stack),
                "type": [coding(SOURCE_TYPE, "4", "Application Server")],
            },
            "entity": entities(entry),
        }))
    }

    /// The initiator, and the app through which a person acted.
    fn agents(&self, entry: &LogEntry) -> Vec<Value> {
        let (who, requestor, client) = match &entry.actor {
            Actor::Person { client } => (identifier("owner", self.owner.as_str()), true, client.as_ref()),
            Actor::Operator { arn } => (identifier("operator", arn.as_str()), true, None),
            Actor::Function => (identifier("function", &entry.via), false, None),
        };
        let mut agents = vec![json!({ "who": who, "requestor": requestor })];
        agents.extend(client.map(|client| {
            json!({
                "type": { "coding": [coding(DICOM, "110150", "Application")] },
                "who": identifier("client", client.as_str()),
                "requestor": false,
            })
        }));
        agents
    }
}

/// The object without nulls and empty arrays, which FHIR forbids.
fn without_empty(mut object: Value) -> Value {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null() && value.as_array().is_none_or(|array| !array.is_empty()));
    }
    object
}

/// A UUID made of the entry's leaf (version 8 of RFC 9562).
fn name(text: &str) -> Uuid {
    let mut bytes = [0; 16];
    let leaf = leaf(text);
    bytes.iter_mut().zip(leaf.as_bytes()).for_each(|(to, from)| *to = *from);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

fn coding(system: &str, code: &str, display: &str) -> Value {
    json!({ "system": system, "code": code, "display": display })
}

fn own_coding(system: &str, code: &str) -> Value {
    json!({ "system": format!("urn:individual-access:{system}"), "code": code })
}

/// A reference by identifier.
fn identifier(system: &str, value: &str) -> Value {
    json!({ "identifier": { "system": format!("urn:individual-access:{system}"), "value": value } })
}

fn subtypes(entry: &LogEntry) -> Vec<Value> {
    let access = own_coding("access", entry.what.as_str());
    let method = entry.method.as_deref();
    let method = method.map(|method| own_coding("second-factor", method));
    std::iter::once(access).chain(method).collect()
}

fn entities(entry: &LogEntry) -> Vec<Value> {
    let run = entry.run.map(|run| ("run", run.to_string()));
    let record = entry.record.map(|record| ("record", record.to_string()));
    let entities = run.into_iter().chain(record);
    entities
        .map(|(system, id)| {
            json!({ "what": identifier(system, &id), "type": coding(ENTITY_TYPE, "2", "System Object") })
        })
        .collect()
}

/// The action: create, read, update, delete or execute.
const fn action(what: Access) -> &'static str {
    match what {
        Access::Linked
        | Access::SessionOpened
        | Access::ChallengeOpened
        | Access::PullAccepted
        | Access::RecordStored
        | Access::ConsentGiven
        | Access::NotMe => "C",
        Access::RecordsListed
        | Access::LinkMinted
        | Access::LogRead
        | Access::ExportRequested
        | Access::ExportRead
        | Access::QuarantineShown
        | Access::TouchedListed => "R",
        Access::DemographicsChanged
        | Access::IdentityVerified
        | Access::PullEnded
        | Access::ConsentWithdrawn
        | Access::Quarantined
        | Access::QuarantineReleased
        | Access::HoldBegun
        | Access::HoldEnded
        | Access::PatientReleased => "U",
        Access::QuarantinePurged | Access::Erased | Access::RecordDeleted => "D",
        Access::PullStarted | Access::ErasureRequested => "E",
    }
}

#[cfg(test)]
mod tests;
