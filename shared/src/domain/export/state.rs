//! The lines of an export about stored states. Each line names its kind.
//!
//! Each attribute of a state is exported or left out by name, so a new one does not compile until that is decided; only
//! queries and events are exported whole. Hashes that only the stack can compute, secrets, and the stack's own
//! bookkeeping are left out. A patient's id is only in the line about the link, because earlier items may name a
//! patient that an operator has released.

use serde_json::{Map, Value, json};

use crate::domain::challenge::{ChallengeSlot, Pending};
use crate::domain::consent::Consent;
use crate::domain::identity::{Identity, OpenSession, Proofed};
use crate::domain::patient::{PatientLink, PatientSlot};
use crate::domain::person_root::PersonRoot;
use crate::domain::pull::{Pull, TimelineEntry};
use crate::domain::quarantine::Quarantine;
use crate::domain::record::Record;
use crate::domain::source::SourceProgress;
use crate::domain::{PullId, Time};

/// Kinds of a person's items that an export leaves out, and why.
pub const WITHHELD: [(&str, &str); 5] = [
    ("OWNER#/OPEN_RECORDS", "it repeats the records that are unfinished"),
    ("OWNER#/SHARES", "it counts requests of the last two days"),
    ("OWNER#/IDEMPOTENCY#", "it repeats replies of the last day"),
    ("OWNER#/EXPORT#", "it is an export"),
    ("OWNER#/RETENTION", "it is the time of the next check of the records"),
];

/// A stored state of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredState {
    /// Consent and quarantine.
    Root(PersonRoot),
    /// The link to a patient.
    Patient(PatientSlot),
    /// The identity.
    Identity(Identity),
    /// The challenge.
    Challenge(ChallengeSlot),
    /// A pull.
    Pull(Box<Pull>),
    /// A line of a pull's timeline.
    Event(PullId, TimelineEntry),
    /// A record.
    Record(Box<Record>),
}

impl StoredState {
    /// The line, a JSON object without line breaks, of a person with this root. Times are ISO 8601; a member without a
    /// value is absent.
    #[must_use]
    pub fn line(&self, root: &PersonRoot) -> String {
        let (kind, state) = match self {
            Self::Root(root) => ("consent", of_root(root)),
            Self::Patient(slot) => ("patient", of_patient(slot)),
            Self::Identity(identity) => ("identity", of_identity(identity)),
            Self::Challenge(slot) => ("challenge", of_challenge(slot)),
            Self::Pull(pull) => ("networkQuery", of_pull(pull)),
            Self::Event(pull, entry) => ("networkQueryEvent", of_event(*pull, entry)),
            Self::Record(record) => ("record", of_record(record, root)),
        };
        let mut line = match strip_nulls(state) {
            Value::Object(members) => members,
            _ => Map::new(),
        };
        line.insert("kind".to_owned(), json!(kind));
        Value::Object(line).to_string()
    }
}

/// The value without members that are null.
fn strip_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let present = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(present.map(|(name, value)| (name, strip_nulls(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(strip_nulls).collect()),
        other => other,
    }
}

fn time(at: Time) -> String {
    at.to_string()
}

fn of_root(root: &PersonRoot) -> Value {
    let PersonRoot {
        grant: _,
        consent,
        withdrawn_at,
        keep_ended_at,
        quarantine,
        erasure: _,
        held_since: _,
        version: _,
    } = root;
    json!({
        "given": consent.as_ref().map(of_consent),
        "withdrawnAt": withdrawn_at.map(time),
        "keepEndedAt": keep_ended_at.map(time),
        "quarantine": quarantine.as_ref().map(of_quarantine),
    })
}

fn of_consent(consent: &Consent) -> Value {
    let Consent {
        scopes,
        notice_version,
        notice_sha256,
        locale,
        given_at,
    } = consent;
    json!({
        "scopes": scopes,
        "noticeVersion": notice_version,
        "noticeSha256": notice_sha256,
        "locale": locale,
        "givenAt": time(*given_at),
    })
}

fn of_quarantine(quarantine: &Quarantine) -> Value {
    let Quarantine {
        state,
        pull,
        since,
        record,
        reasons,
        at,
        purge_by,
        ended_at,
    } = quarantine;
    json!({
        "state": state,
        "networkQuery": pull,
        "since": time(*since),
        "record": record,
        "reasons": reasons,
        "beganAt": time(*at),
        "purgeBy": time(*purge_by),
        "endedAt": ended_at.map(time),
    })
}

fn of_patient(slot: &PatientSlot) -> Value {
    let PatientSlot {
        link,
        intent,
        refusals: _,
        folder: _,
        creating: _,
        version: _,
    } = slot;
    let changing = intent.is_some().then_some(true);
    let Some(PatientLink {
        patient,
        external_id,
        demographics: _,
        hie_opt_out,
        fingerprint: _,
        created,
    }) = link
    else {
        return json!({ "changing": changing });
    };
    json!({
        "patientId": patient,
        "externalId": external_id,
        "hieOptOut": hie_opt_out,
        "createdHere": created,
        "changing": changing,
    })
}

fn of_identity(identity: &Identity) -> Value {
    let Identity {
        proofed,
        session,
        earlier,
        superseded_other: _,
        version: _,
    } = identity;
    let proofed = proofed.as_ref().map(|proofed| {
        let Proofed {
            id,
            patient: _,
            demographics: _,
            at,
            rejected_at,
        } = proofed;
        json!({
            "proofedIdentityId": id,
            "verifiedAt": time(*at),
            "rejectedAt": rejected_at.map(time),
        })
    });
    let sessions = earlier.iter().chain(session).map(|session| {
        let OpenSession {
            id,
            patient: _,
            demographics: _,
            expires_at,
            mark: _,
        } = session;
        json!({ "id": id, "expiresAt": time(*expires_at) })
    });
    json!({ "proofed": proofed, "sessions": sessions.collect::<Vec<_>>() })
}

fn of_challenge(slot: &ChallengeSlot) -> Value {
    let ChallengeSlot {
        pending,
        // The AAL2 session in it is a secret, and lives five minutes.
        held: _,
        version: _,
    } = slot;
    let Some(Pending {
        id,
        proofed_identity,
        patient: _,
        expires_at,
    }) = pending
    else {
        return json!({});
    };
    json!({
        "id": id,
        "proofedIdentityId": proofed_identity,
        "expiresAt": time(*expires_at),
    })
}

fn of_pull(pull: &Pull) -> Value {
    let Pull {
        id,
        patient: _,
        grant: _,
        state,
        sources,
        request,
        created_at,
        start_at,
        started_at,
        ended_at,
        start_by: _,
        expires_at,
        due_at: _,
        due_seq: _,
        version: _,
        polls: _,
        hie_record,
        final_record,
        all_answered,
        unconfirmed,
        reason,
    } = pull;
    let sources = sources.iter().map(|(kind, source)| {
        let SourceProgress {
            status,
            settled_at,
            http_status,
        } = source;
        json!({
            "source": kind,
            "status": status,
            "completedAt": settled_at.map(time),
            "httpStatus": http_status,
        })
    });
    let records: Vec<_> = [hie_record, final_record].into_iter().flatten().collect();
    json!({
        "id": id,
        "status": state,
        "sources": sources.collect::<Vec<_>>(),
        "requestId": request,
        "createdAt": time(*created_at),
        "plannedStartAt": start_at.map(time),
        "startedAt": started_at.map(time),
        "completedAt": ended_at.map(time),
        "expiresAt": time(*expires_at),
        "records": records,
        "allAnswered": all_answered,
        "unconfirmed": unconfirmed,
        "reason": reason,
    })
}

fn of_event(pull: PullId, entry: &TimelineEntry) -> Value {
    let TimelineEntry {
        n,
        at,
        event: _,
        record,
    } = entry;
    json!({
        "networkQuery": pull,
        "n": n,
        "at": time(*at),
        "event": entry.shown_event(),
        "record": record,
    })
}

fn of_record(record: &Record, root: &PersonRoot) -> Value {
    let Record {
        id,
        pull,
        phase,
        patient: _,
        grant: _,
        query,
        state,
        request,
        created_at,
        expires_at: _,
        ended_at,
        due_at: _,
        due_seq: _,
        version: _,
        attempt_until: _,
        attempts,
        looks: _,
        unanswered: _,
        unheard: _,
        // The object is read by the record's path, under the conditions of a record. Its size and counts belong to it.
        object,
        reason,
    } = record;
    let hidden = root.hides(record);
    json!({
        "id": id,
        "networkQuery": pull,
        "phase": phase,
        "query": query,
        "status": if hidden { "quarantined" } else { state.as_str() },
        "requestId": request,
        "createdAt": time(*created_at),
        "completedAt": ended_at.map(time),
        "attempts": attempts,
        "reason": reason,
        "url": object.as_ref().filter(|_| !hidden).map(|_| format!("/v1/records/{id}")),
    })
}
