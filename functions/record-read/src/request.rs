//! Asks for one more consolidated record: another form, some resources, a span of time. It serves what was retrieved
//! before and asks no network, so it needs a verified identity and no new challenge.
//!
//! A person has no more than three unfinished ones. A request that asks for the same as one of them is answered with
//! that record, and costs the person nothing.

use shared::Error;
use shared::domain::budget::{Allowance, PersonAsk};
use shared::domain::record::{Asked, NewRecord, OpenRecords, Record};
use shared::domain::run::RecordPhase;
use shared::domain::{OwnerId, PatientId, RecordId, Time};
use shared::edge::budget::TakeShare;
use shared::edge::http::{Code, Problem};
use shared::edge::{announce_record, verified};
use shared::ports::Clock;
use shared::queue::SendAdvance;
use shared::store::{Condition, CreateRecord, ReadPerson, ReadRecord};
use tokio::try_join;

/// How often a record is placed anew when other requests of the person change the list.
const ATTEMPTS: u32 = 5;
/// `Retry-After` while three are unfinished: a consolidated query usually takes seconds.
const OPEN_RETRY_SECS: u64 = 10;

shared::ports! {
    /// Stores a record for a caller who is verified, within the person's share.
    pub trait Place = ReadPerson + ReadRecord + CreateRecord + TakeShare + Clock;
}

shared::ports! {
    /// Asks for a record and announces it; reads the one that an earlier attempt has asked for.
    pub trait Request = Place + SendAdvance;
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
/// How the person's share stands comes with a record that was placed now.
///
/// # Errors
/// Refuses a caller who is not verified, one who has three unfinished records, and one who has used up their share.
pub async fn request(io: &impl Request, owner: &OwnerId, ask: Ask) -> Result<(Record, Option<Allowance>), Error> {
    let (now, resumed, id) = (io.now(), ask.resumed, ask.id);
    let (record, allowance) = match place(io, owner, ask, now).await {
        Err(refusal) if resumed => (io.record(owner, id).await?.ok_or(refusal)?, None),
        placed => placed?,
    };
    // The record is written: what is lost here, the reconciler sends again.
    if let Err(error) = announce_record(io, owner, &record, now).await {
        tracing::warn!(record = %record.id, context = %error, "the record was accepted but not announced");
    }
    Ok((record, allowance))
}

/// Finds the record that asks for the same, or writes one, for a caller who is verified. The share is taken once,
/// however often the list changes meanwhile.
async fn place(io: &impl Place, owner: &OwnerId, ask: Ask, now: Time) -> Result<(Record, Option<Allowance>), Error> {
    let (patient, mut open) = grounds(io, owner, now).await?;
    let new = NewRecord {
        id: ask.id,
        run: None,
        phase: RecordPhase::Asked,
        patient,
        asked: ask.asked,
    };
    let record = Record::ask(new, now, io.timing());
    let (mut tries, mut allowance) = (1, None);
    loop {
        if let Some(equal) = equal(io, owner, &open, &record, now).await? {
            return Ok((equal, allowance));
        }
        let open_now = with_room(io, owner, &open, now).await?;
        if allowance.is_none() {
            allowance = Some(io.share(owner, PersonAsk::Record, now).await?);
        }
        match io.create_record(owner, &record, &open_now.with(&record)).await {
            Err(error) if tries < ATTEMPTS && error.lacks(Condition::OpenRecordsAsRead) => tries += 1,
            written => return Ok(written.map(|()| (record, allowance))?),
        }
        open = io.open_records(owner).await?;
    }
}

/// The patient of a caller who is verified, and the records that the caller has asked for.
async fn grounds(
    io: &(impl ReadPerson + CreateRecord + Clock),
    owner: &OwnerId,
    now: Time,
) -> Result<(PatientId, OpenRecords), Error> {
    let ((slot, identity), open) = try_join!(io.person(owner), io.open_records(owner))?;
    let (link, _) = verified(&slot, &identity, now, io.timing())?;
    Ok((link.patient.clone(), open))
}

/// The unfinished record of the patient that asks for the same.
async fn equal(
    io: &impl ReadRecord,
    owner: &OwnerId,
    open: &OpenRecords,
    asked: &Record,
    now: Time,
) -> Result<Option<Record>, Error> {
    let Some(id) = open.equal(&asked.asked) else {
        return Ok(None);
    };
    let found = io.record(owner, id).await?;
    Ok(found.filter(|record| record.patient == asked.patient && !record.shown_state(now).is_terminal()))
}

/// The list with room for one more. Only a full one is looked through for records that have ended.
///
/// # Errors
/// Refuses where all that are listed are unfinished.
async fn with_room(io: &impl ReadRecord, owner: &OwnerId, open: &OpenRecords, now: Time) -> Result<OpenRecords, Error> {
    if !open.is_full() {
        return Ok(open.clone());
    }
    let mut found = Vec::new();
    for listed in &open.records {
        found.extend(io.record(owner, listed.id).await?);
    }
    let open = open.without_ended(&found, now);
    if open.is_full() {
        return Err(Problem::new(Code::TooManyOpen).retry_after(OPEN_RETRY_SECS).into());
    }
    Ok(open)
}
