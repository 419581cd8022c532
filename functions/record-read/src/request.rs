//! Asks for one more consolidated record: another form, some resources, a span of time. It serves what was retrieved
//! before and asks no network, so it needs a verified identity and no new challenge.

use shared::Error;
use shared::domain::record::{Asked, NewRecord, Record};
use shared::domain::run::RecordPhase;
use shared::domain::{OwnerId, RecordId, Time};
use shared::edge::{announce_record, verified};
use shared::ports::Clock;
use shared::queue::SendAdvance;
use shared::store::{CreateRecord, ReadPerson, ReadRecord};

shared::ports! {
    /// Stores a record for a caller who is verified.
    pub trait Place = ReadPerson + CreateRecord + Clock;
}

shared::ports! {
    /// Asks for a record and announces it; reads the one that an earlier attempt has asked for.
    pub trait Request = Place + ReadRecord + SendAdvance;
}

/// What is asked.
pub struct Ask {
    /// The form of the record, and what is in it.
    pub asked: Asked,
    /// The id of the record it becomes.
    pub id: RecordId,
    /// Whether an earlier attempt may have asked for that record already, and never said so.
    pub resumed: bool,
}

/// Asks for a record; it waits until the patient's other consolidated queries are done. One that an earlier attempt has
/// asked for is answered with as it stands: no record can be written twice under one id.
///
/// # Errors
/// Refuses a caller who is not verified.
pub async fn request(io: &impl Request, owner: &OwnerId, ask: Ask) -> Result<Record, Error> {
    let now = io.now();
    let record = match place(io, owner, (ask.id, ask.asked), now).await {
        Err(refusal) if ask.resumed => io.record(owner, ask.id).await?.ok_or(refusal)?,
        placed => placed?,
    };
    // The record is written: what is lost here, the reconciler sends again.
    if let Err(error) = announce_record(io, owner, &record, now).await {
        tracing::warn!(record = %record.id, context = %error, "the record was accepted but not announced");
    }
    Ok(record)
}

/// Writes the record, for a caller who is verified.
async fn place(io: &impl Place, owner: &OwnerId, (id, asked): (RecordId, Asked), now: Time) -> Result<Record, Error> {
    let (slot, identity) = io.person(owner).await?;
    let (link, _) = verified(&slot, &identity, now, io.timing())?;
    let new = NewRecord {
        id,
        run: None,
        phase: RecordPhase::Asked,
        patient: link.patient.clone(),
        asked,
    };
    let record = Record::ask(new, now, io.timing());
    io.create_record(owner, &record).await?;
    Ok(record)
}
