//! Shows a person's records, if the person's identity is verified. Each request for one record gets its own link, which
//! lives one minute.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use shared::Error;
use shared::domain::budget::{Allowance, PersonAsk};
use shared::domain::pull::RecordPhase;
use shared::domain::record::{Record, RecordQuery, RecordReason, RecordState};
use shared::domain::{OwnerId, PullId, RecordId, Time};
use shared::edge::budget::TakeShare;
use shared::edge::http::{Code, Next, Problem};
use shared::edge::verified;
use shared::ports::Clock;
use shared::records::MintLink;
use shared::store::{ListRecords, ReadPerson, ReadRecord};
use tokio::try_join;

/// Maximum number of records that a list shows.
const LIST_MAX: i32 = 100;
/// How long a link lives.
const LINK_LIFE: Duration = Duration::from_secs(60);

/// One record.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordView {
    id: RecordId,
    status: RecordState,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinkView {
    url: String,
    expires_at: String,
}

/// `GET /v1/records`.
#[derive(Serialize)]
pub struct RecordListView {
    records: Vec<RecordView>,
}

/// The newest records of the patient to whom the caller is linked, without links to their files.
///
/// # Errors
/// Refuses a caller who is not linked to a patient, or whose identity is not verified for this patient's present
/// demographics.
pub async fn list(
    io: &(impl ListRecords + ReadPerson + Clock),
    owner: &OwnerId,
    now: Time,
) -> Result<RecordListView, Error> {
    let ((slot, identity), records) = try_join!(io.person(owner), io.records(owner, LIST_MAX))?;
    let (link, _) = verified(&slot, &identity, now, io.timing())?;
    let of_patient = records.iter().filter(|record| record.patient == link.patient);
    Ok(RecordListView {
        records: of_patient.map(|record| of_record(record, now)).collect(),
    })
}

/// One record of the caller. If its file is in the bucket, adds a link to the file. The link counts against the
/// person's share. The state of that share is also returned.
///
/// # Errors
/// Fails like [`list`]. Also fails if a link must be minted and the person's share is used up. Another person's record
/// gets the same 404 as an unknown one.
pub async fn show(
    io: &(impl ReadRecord + ReadPerson + MintLink + TakeShare + Clock),
    owner: &OwnerId,
    id: RecordId,
    now: Time,
) -> Result<(RecordView, Option<Allowance>), Error> {
    let ((slot, identity), record) = try_join!(io.person(owner), io.record(owner, id))?;
    let (link, _) = verified(&slot, &identity, now, io.timing())?;
    // A person may read only records of the patient to whom they are linked now.
    let record = record.filter(|record| record.patient == link.patient);
    let record = record.ok_or_else(|| Problem::new(Code::NotFound))?;
    let mut view = of_record(&record, now);
    let mut allowance = None;
    if let Some(object) = &record.object {
        allowance = Some(io.share(owner, PersonAsk::Link, now).await?);
        let file = format!(
            "record-{}.{}",
            record.created_at.date(),
            record.query.conversion.as_str()
        );
        let link = io.mint(&object.key, &file, LINK_LIFE).await?;
        let expires_at = now.plus(LINK_LIFE).to_string();
        view.link = Some(LinkView {
            url: link.as_str().to_owned(),
            expires_at,
        });
    }
    Ok((view, allowance))
}

/// One record, in the state that a reader sees at `now`, without a link.
#[must_use]
pub fn of_record(record: &Record, now: Time) -> RecordView {
    let status = record.shown_state(now);
    let object = record.object.as_ref();
    RecordView {
        id: record.id,
        status,
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
