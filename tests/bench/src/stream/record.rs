//! The record that is fetched, and the events that functions are given about it.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::domain::record::{self, Delivery, NewRecord, Record, RecordEvent, StoredObject};
use shared::domain::run::RecordPhase;
use shared::domain::{OwnerId, PatientId, RecordId, Time, Timing, UpstreamRequestId};
use shared::message::{FetchRecord, Link, VERSION};
use shared::owner::OwnerKey;
use shared::records::Bucket;
use shared::store::{CreateRecord, Table};

use super::loopback::SECRET;
use crate::Problem;
use crate::bed::events::{Asked, ISSUER, SUBJECT, message};

/// A record that waits behind a link.
pub struct Offered {
    owner: OwnerId,
    record: Record,
}

impl Offered {
    /// As it is at `now`.
    ///
    /// # Errors
    /// When the domain refuses a step that leads there.
    pub fn new(id: RecordId, now: Time) -> Result<Self, Problem> {
        let owner = OwnerKey::parse(SECRET)?
            .owner(ISSUER, SUBJECT)
            .map_err(|error| error.0)?;
        let request = UpstreamRequestId::parse("request").map_err(|error| error.0)?;
        let new = NewRecord {
            id,
            run: None,
            phase: RecordPhase::Asked,
            patient: PatientId::parse("patient").map_err(|error| error.0)?,
            asked: record::Asked::default(),
        };
        let steps = [
            RecordEvent::Claimed,
            RecordEvent::Started(request.clone()),
            RecordEvent::Delivered(Delivery::Link, Some(request)),
        ];
        let record = Record::ask(new, now, Timing::default());
        let record = steps
            .iter()
            .try_fold(record, |record, step| applied(&record, step, now))?;
        Ok(Self { owner, record })
    }

    /// Writes it into the table.
    ///
    /// # Errors
    /// When the table does not take it.
    pub async fn store(&self, table: &Table) -> Result<(), Problem> {
        Ok(table.create_record(&self.owner, &self.record).await?)
    }

    /// Writes it into the table as it is when an object of so many bytes has been stored.
    ///
    /// # Errors
    /// As [`Offered::store`].
    pub async fn store_fetched(&self, table: &Table, bytes: u64, now: Time) -> Result<(), Problem> {
        let object = StoredObject {
            key: Bucket::key(&self.owner, self.record.id, self.record.asked.conversion),
            sha256: "0".repeat(64),
            bytes,
            // As many types as a full record has.
            counts: (b'A'..=b'Z')
                .map(|letter| (char::from(letter).to_string(), bytes / 1000))
                .collect::<BTreeMap<_, _>>(),
        };
        let claimed = applied(&self.record, &RecordEvent::FetchClaimed, now)?;
        let record = applied(&claimed, &RecordEvent::Stored(object), now)?;
        Ok(table.create_record(&self.owner, &record).await?)
    }

    /// The message that has it fetched, as `record-fetch` gets it.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    pub fn fetch_event(&self, link: String) -> Result<Value, Problem> {
        let fetch = FetchRecord {
            version: VERSION,
            owner: self.owner.clone(),
            record: self.record.id,
            due_seq: self.record.due_seq,
            link: Link::new(link),
        };
        Ok(message("record-fetch", &serde_json::to_string(&fetch)?))
    }

    /// The request that reads it, as `record-read` gets it.
    pub fn read_event(&self) -> Value {
        let asked = Asked {
            route: "GET /v1/records/{id}",
            id: Some(&self.record.id.to_string()),
            headers: &[],
            body: Value::Null,
        };
        asked.event()
    }
}

fn applied(record: &Record, event: &RecordEvent, now: Time) -> Result<Record, Problem> {
    let change = record.apply(event, now, Timing::default());
    Ok(change.ok_or("a step of a record that changes nothing")?.record)
}
