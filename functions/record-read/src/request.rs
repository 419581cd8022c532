//! Asks for one more consolidated record, for example in another form, of some resource types, or of a span of time.
//! The record has only data that Metriport already holds; the networks are not asked. The request therefore needs a
//! verified identity but no new challenge.
//!
//! A person has at most three unfinished records. A request that equals the request of an unfinished record gets that
//! record and takes no share.

use shared::Error;
use shared::domain::budget::{Allowance, PersonAsk};
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::pull::RecordPhase;
use shared::domain::record::{NewRecord, OpenRecords, Record, RecordQuery};
use shared::domain::{OwnerId, PatientId, RecordId, Time};
use shared::edge::budget::TakeShare;
use shared::edge::http::{Code, Problem};
use shared::edge::{announce_record, consented, refuse_quarantined, verified};
use shared::ports::{Clock, ConsentTerms};
use shared::queue::SendAdvance;
use shared::store::{Condition, CreateRecord, ReadPerson, ReadRecord, StoreError};
use tokio::try_join;

/// Maximum number of attempts to store a record. An attempt fails if another request of the person changes the list.
const ATTEMPTS: u32 = 5;
/// `Retry-After` in seconds while three records are unfinished: a consolidated query usually takes seconds.
const OPEN_RETRY_SECS: u64 = 10;

shared::ports! {
    /// Stores a record for a verified caller, within the person's share.
    pub trait PlaceRecord = ReadPerson + ReadRecord + CreateRecord + TakeShare + ConsentTerms + Clock;
}

shared::ports! {
    /// Asks for a record and announces it, or reads the record that an earlier attempt asked for.
    pub trait Request = PlaceRecord + SendAdvance;
}

/// A request for a record.
pub struct RecordAsk {
    /// The form of the record and its filters.
    pub query: RecordQuery,
    /// The id that the record gets.
    pub id: RecordId,
    /// Whether an earlier attempt may have stored that record without an answer to the caller.
    pub resumed: bool,
}

/// Asks for a record, which waits until the patient's other consolidated queries are done. If an earlier attempt stored
/// the record, that record is returned, because this attempt cannot write another one under the same id.
///
/// Also returns the state of the person's share, if one was taken now.
///
/// # Errors
/// Fails if the caller has not consented, is not verified, has quarantined or three unfinished records, or has used up
/// their share.
pub async fn request(io: &impl Request, owner: &OwnerId, ask: RecordAsk) -> Result<(Record, Option<Allowance>), Error> {
    let (now, resumed, id) = (io.now(), ask.resumed, ask.id);
    let (record, allowance) = match place(io, owner, ask, now).await {
        Err(refusal) if resumed => (io.record(owner, id).await?.ok_or(refusal)?, None),
        placed => placed?,
    };
    // If the message is lost, `reconcile` sends it again, because the record is stored.
    if let Err(error) = announce_record(io, owner, &record, now).await {
        tracing::warn!(record = %record.id, context = %error, "the record was accepted, but its message was not sent");
    }
    Ok((record, allowance))
}

/// Finds the verified caller's unfinished record with the same form and filters, or writes a new record. The share is
/// taken only once, even if the write is tried again.
async fn place(
    io: &impl PlaceRecord,
    owner: &OwnerId,
    ask: RecordAsk,
    now: Time,
) -> Result<(Record, Option<Allowance>), Error> {
    let mut grounds = grounds(io, owner, now).await?;
    let new = NewRecord {
        id: ask.id,
        pull: None,
        phase: RecordPhase::Asked,
        patient: grounds.patient.clone(),
        grant: grounds.grant,
        query: ask.query,
    };
    let mut record = Record::ask(new, now, io.timing());
    let (mut tries, mut allowance) = (1, None);
    loop {
        if let Some(equal) = equal(io, owner, &grounds.open, &record, now).await? {
            return Ok((equal, allowance));
        }
        let open = with_room(io, owner, &grounds.open, now).await?.with(&record);
        // Taken after the checks, so that a refusal and an equal record take no share.
        if allowance.is_none() {
            allowance = Some(io.share(owner, PersonAsk::Record, now).await?);
        }
        match io.create_record(owner, &record, &open, &grounds.root).await {
            Err(error) if tries < ATTEMPTS && moved(&error) => tries += 1,
            written => return Ok(written.map(|()| (record, allowance))?),
        }
        // Judged again, because the person may have withdrawn, or records may have been quarantined.
        grounds = self::grounds(io, owner, now).await?;
        (record.patient, record.grant) = (grounds.patient.clone(), grounds.grant);
    }
}

/// Whether another process wrote an item that the record depends on.
fn moved(error: &StoreError) -> bool {
    let grounds = [Condition::OpenRecordsAsRead, Condition::RootAsRead];
    grounds.into_iter().any(|condition| error.lacks(condition))
}

/// The state on which a new record of a verified caller depends.
struct Grounds {
    patient: PatientId,
    grant: Grant,
    root: PersonRoot,
    /// The list of records that the caller has asked for.
    open: OpenRecords,
}

async fn grounds(
    io: &(impl ReadPerson + CreateRecord + ConsentTerms + Clock),
    owner: &OwnerId,
    now: Time,
) -> Result<Grounds, Error> {
    let ((slot, identity, root), open) = try_join!(io.person(owner), io.open_records(owner))?;
    let grant = consented(&root, io.consent_rule())?;
    let (link, _) = verified(&slot, &identity, now, io.timing())?;
    refuse_quarantined(&root)?;
    let patient = link.patient.clone();
    Ok(Grounds {
        patient,
        grant,
        root,
        open,
    })
}

/// The patient's unfinished record with the same form and filters, under the same grant.
async fn equal(
    io: &impl ReadRecord,
    owner: &OwnerId,
    open: &OpenRecords,
    new: &Record,
    now: Time,
) -> Result<Option<Record>, Error> {
    let Some(id) = open.equal(&new.query) else {
        return Ok(None);
    };
    let found = io.record(owner, id).await?;
    let is_equal = |record: &Record| (&record.patient, record.grant) == (&new.patient, new.grant);
    Ok(found.filter(|record| is_equal(record) && !record.shown_state(now).is_terminal()))
}

/// The list of open records, with room for one more. Ended records are removed only from a full list.
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
