//! Shows a person's records, if the person's identity is verified. Each request for one record gets its own link, which
//! lives one minute and has its own entry in the access log.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shared::Error;
use shared::domain::budget::{Allowance, PersonShares};
use shared::domain::identity::Identity;
use shared::domain::log::{Access, Actor};
use shared::domain::patient::PatientSlot;
use shared::domain::person_root::PersonRoot;
use shared::domain::pull::RecordPhase;
use shared::domain::record::{Record, RecordQuery, RecordReason, RecordState, StoredObject};
use shared::domain::{OwnerId, PullId, RecordId, Time};
use shared::edge::budget::MintEntry;
use shared::edge::http::{Code, LinkView, Next, Problem};
use shared::edge::{QuarantineView, consented, verified, view_quarantine};
use shared::ports::{Clock, ConsentTerms, Retention};
use shared::records::MintLink;
use shared::store::{ListRecords, Mint, NoteHour, ReadPerson, ReadRecord, ReadRoot, StoreError};
use tokio::try_join;

/// Maximum number of records that a list shows.
const LIST_MAX: i32 = 100;
/// Maximum number of times that the entry of a link is written again. A write fails if another request of the person
/// changes the shares first.
const RETRIES_MAX: u64 = 7;

/// One record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    id: RecordId,
    status: &'static str,
    phase: RecordPhase,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_query: Option<PullId>,
    #[serde(flatten)]
    query: RecordQuery,
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    counts: Option<BTreeMap<String, u64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<LinkView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<RecordReason>,
    next: Next,
}

/// The status of a record that a quarantine hides.
pub const QUARANTINED: &str = "quarantined";

/// `GET /v1/records`.
#[derive(Serialize)]
pub struct RecordListView {
    records: Vec<RecordView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quarantine: Option<QuarantineView>,
}

/// The newest records of the patient to whom the caller is linked, without links to their files. The access log gets
/// one entry an hour for each app.
///
/// # Errors
/// Refuses a caller who has not consented, is not linked to a patient, or whose identity is not verified for this
/// patient's present demographics. Also fails if the entry cannot be written.
pub async fn list(
    io: &(impl ListRecords + ReadPerson + ReadRoot + NoteHour + ConsentTerms + Retention + Clock),
    owner: &OwnerId,
    actor: &Actor,
    now: Time,
) -> Result<RecordListView, Error> {
    let (person, records) = try_join!(io.person(owner), io.records(owner, LIST_MAX))?;
    let readable = readable(io, &person, now)?;
    // A different record may be stored between the reads above. This root is newer than the records, so it shows the
    // quarantine of each.
    let noted = io.note_hour(owner, Access::RecordsListed, actor, now);
    let ((), root) = try_join!(noted, io.root(owner))?;
    let (_, _, before) = &person;
    let view = |record: &Record| match before.hides(record) {
        true => of_hidden(record, now),
        false => view(record, &root, now),
    };
    Ok(RecordListView {
        records: records.iter().filter(|record| readable(record)).map(view).collect(),
        quarantine: root.quarantine.as_ref().map(view_quarantine),
    })
}

shared::ports! {
    /// Shows a record and makes a link to its file.
    pub trait Show = ReadRecord + ReadPerson + MintEntry + MintLink + ConsentTerms + Retention + Clock;
}

/// One record of the caller. If its file is in the bucket, adds a link to the file. The link counts against the
/// person's share, whose state is also returned.
///
/// # Errors
/// Fails like [`list`]. Also fails if a link must be minted and the person's share is used up. Another person's record
/// gets the same 404 as an unknown one.
pub async fn show(
    io: &impl Show,
    owner: &OwnerId,
    actor: &Actor,
    id: RecordId,
    now: Time,
) -> Result<(RecordView, Option<Allowance>), Error> {
    let mut tries = 0;
    loop {
        let (record, shares, root) = read(io, owner, id, now).await?;
        let Some(object) = record.object.as_ref().filter(|_| !root.hides(&record)) else {
            return Ok((view(&record, &root, now), None));
        };
        // Each try has a later time, because the entry of a link that another request made at the same time has the
        // same key.
        let at = io.now().plus(Duration::from_millis(tries));
        let mint = Mint {
            record: &record,
            root: &root,
            actor,
            at,
        };
        match io.write_mint(owner, mint, &shares).await {
            Err(Error::Store(StoreError::Conflict(_))) if tries < RETRIES_MAX => tries += 1,
            // The link is made after its entry, so no link lacks one.
            written => return with_link(io, &record, object, now, written?).await,
        }
    }
}

/// The record, the person's shares and their root, if the caller may read the record.
async fn read(
    io: &(impl ReadRecord + ReadPerson + MintEntry + ConsentTerms + Retention + Clock),
    owner: &OwnerId,
    id: RecordId,
    now: Time,
) -> Result<(Record, PersonShares, PersonRoot), Error> {
    let (person, record, shares) = try_join!(io.person(owner), io.record(owner, id), io.shares(owner))?;
    let record = record.filter(readable(io, &person, now)?);
    let (_, _, root) = person;
    Ok((record.ok_or_else(|| Problem::new(Code::NotFound))?, shares, root))
}

/// The records that a caller may read: those of the patient to whom they are linked now. Without consent to `keep`, an
/// old record is left out.
fn readable<'p>(
    io: &'p (impl ConsentTerms + Retention + Clock),
    (slot, identity, root): &'p (PatientSlot, Identity, PersonRoot),
    now: Time,
) -> Result<impl Fn(&Record) -> bool + 'p, Error> {
    let (rule, days) = (io.consent_rule(), io.record_retention_days());
    consented(root, rule)?;
    let (link, _) = verified(slot, identity, now, io.timing())?;
    Ok(move |record: &Record| {
        let is_kept = root.kept_until(record, rule, days).is_none_or(|until| now < until);
        is_kept && record.patient == link.patient
    })
}

async fn with_link(
    io: &impl MintLink,
    record: &Record,
    object: &StoredObject,
    now: Time,
    allowance: Allowance,
) -> Result<(RecordView, Option<Allowance>), Error> {
    let (date, form) = (record.created_at.date(), record.query.conversion.as_str());
    let link = io
        .mint(&object.key, &format!("record-{date}.{form}"), LinkView::LIFE)
        .await?;
    let mut view = of_record(record, now);
    view.link = Some(LinkView::new(&link, now));
    Ok((view, Some(allowance)))
}

/// One record of a person with this root, without a link.
fn view(record: &Record, root: &PersonRoot, now: Time) -> RecordView {
    match root.hides(record) {
        true => of_hidden(record, now),
        false => of_record(record, now),
    }
}

/// A record that a quarantine hides. The view is made without the object, so that nothing of the object can be shown.
#[must_use]
pub fn of_hidden(record: &Record, now: Time) -> RecordView {
    let without = Record {
        object: None,
        ..record.clone()
    };
    RecordView {
        status: QUARANTINED,
        next: Next::CONTACT_SUPPORT,
        ..of_record(&without, now)
    }
}

/// One record, in the state that a reader sees at `now`, without a link.
#[must_use]
pub fn of_record(record: &Record, now: Time) -> RecordView {
    let status = record.shown_state(now);
    let object = record.object.as_ref();
    RecordView {
        id: record.id,
        status: status.as_str(),
        phase: record.phase,
        network_query: record.pull,
        query: record.query.clone(),
        created_at: record.created_at.to_string(),
        completed_at: record.ended_at.map(|time| time.to_string()),
        bytes: object.map(|object| object.bytes),
        sha256: object.map(|object| object.sha256.clone()),
        counts: object
            .map(|object| object.counts.clone())
            .filter(|counts| !counts.is_empty()),
        link: None,
        reason: record
            .reason
            .or((status == RecordState::Failed).then_some(RecordReason::Expired)),
        next: match status {
            RecordState::Available => Next::read_record(record.id),
            RecordState::Empty => Next::NONE,
            RecordState::Failed => Next::REQUEST_RECORD,
            RecordState::Waiting
            | RecordState::Starting
            | RecordState::Processing
            | RecordState::Offered
            | RecordState::Fetching => Next::WAIT,
        },
    }
}
