//! Handles the delivery of a consolidated query. A delivery is accepted only if it answers our request.

use shared::Error;
use shared::domain::pull::SourceOutcome;
use shared::domain::record::{Record, RecordDelivery, RecordEvent, RecordState};
use shared::domain::{OwnerId, RecordId, Time};
use shared::edge::{announce_end, announce_record};
use shared::message::webhook::{ConsolidatedDelivery, WebhookEvent};
use shared::message::{FetchRecord, Link, Subject, VERSION};
use shared::ports::Clock;
use shared::queue::{SendAdvance, SendFetch};
use shared::store::{Condition, Correlate, ReadPull, ReadRecord, RecordWrite, RememberMessage, WriteRecordOnce};

use crate::outcome::{APPLIED, GONE, UNCHANGED, UNMATCHED, WebhookOutcome, remember, retry_conflicts, seen_message};

shared::ports! {
    pub(crate) trait FollowUp = ReadPull + SendAdvance + SendFetch;
}

shared::ports! {
    pub(crate) trait SettleDelivery = RememberMessage + ReadRecord + WriteRecordOnce + FollowUp + Clock;
}

pub(crate) async fn deliver(
    io: &(impl SettleDelivery + Correlate),
    event: &WebhookEvent,
    delivery: &ConsolidatedDelivery,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let Some(found) = correlate(io, event, delivery).await? else {
        return Ok(UNMATCHED);
    };
    retry_conflicts(Condition::RecordAsRead, || apply(io, event, delivery, &found, now)).await
}

/// Sends the link of a delivery that was seen before to `record-fetch` again. The delivery is stored, but its link may
/// not have been sent.
pub(crate) async fn offer_again(
    io: &(impl Correlate + ReadRecord + SendFetch),
    event: &WebhookEvent,
    delivery: &ConsolidatedDelivery,
) -> Result<(), Error> {
    let Some(found) = correlate(io, event, delivery).await? else {
        return Ok(());
    };
    let record = io.record(&found.owner, found.record).await?;
    match record.filter(|record| record.state == RecordState::Offered && record.request == event.request) {
        Some(record) => send_fetch(io, &found.owner, &record, delivery.link.as_ref()).await,
        None => Ok(()),
    }
}

struct Found {
    owner: OwnerId,
    record: RecordId,
    /// Whether the record was found by the patient's lock and our metadata, because its request id is not stored yet.
    by_lock: bool,
}

async fn correlate(
    io: &impl Correlate,
    event: &WebhookEvent,
    delivery: &ConsolidatedDelivery,
) -> Result<Option<Found>, Error> {
    if let Some(request) = &event.request
        && let Some(found) = io.by_request(request).await?
    {
        return Ok(match found.subject {
            Subject::Record(record) => Some(Found {
                owner: found.owner,
                record,
                by_lock: false,
            }),
            Subject::Pull(_) => None,
        });
    }
    let open = io.open_consolidated(&delivery.patient).await?;
    let ours = open.filter(|(_, record)| event.marks.record == Some(*record));
    Ok(ours.map(|(owner, record)| Found {
        owner,
        record,
        by_lock: true,
    }))
}

async fn apply(
    io: &impl SettleDelivery,
    event: &WebhookEvent,
    delivery: &ConsolidatedDelivery,
    found: &Found,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    let Some(before) = io.record(&found.owner, found.record).await? else {
        return Ok(GONE);
    };
    if !before.awaits(&delivery.claims(event.request.as_ref()), found.by_lock) {
        return Ok(UNMATCHED);
    }
    let Some(kind) = kind(delivery) else {
        return remember(io, event, "not understood", now).await;
    };
    let happened = RecordEvent::Delivered(kind, event.request.clone());
    let Some(change) = before.apply(&happened, now, io.timing()) else {
        return remember(io, event, UNCHANGED, now).await;
    };
    let write = RecordWrite {
        change: &change,
        now,
        lock_until: change.record.lock_until(io.timing()),
        quarantine: None,
    };
    // Written before the link is sent; after a crash, the redelivered message sends the link again.
    io.write_record_once(&found.owner, write, &seen_message(event, now))
        .await?;
    follow_up(io, &found.owner, &change.record, delivery.link.as_ref(), now).await?;
    Ok(APPLIED)
}

/// The content of a delivery. `None` if the delivery has neither a link nor the statement that no data exists. It must
/// not count as a delivery without data.
const fn kind(delivery: &ConsolidatedDelivery) -> Option<RecordDelivery> {
    match (delivery.status, &delivery.link, delivery.empty) {
        (SourceOutcome::Failed, _, _) => Some(RecordDelivery::Failure),
        (SourceOutcome::Completed, Some(_), _) => Some(RecordDelivery::Link),
        (SourceOutcome::Completed, None, true) => Some(RecordDelivery::Nothing),
        (SourceOutcome::Completed, None, false) => None,
    }
}

async fn follow_up(
    io: &impl FollowUp,
    owner: &OwnerId,
    record: &Record,
    link: Option<&Link>,
    now: Time,
) -> Result<(), Error> {
    if record.state.is_terminal() {
        return announce_end(io, owner, record).await;
    }
    send_fetch(io, owner, record, link).await?;
    announce_record(io, owner, record, now).await?;
    Ok(())
}

async fn send_fetch(io: &impl SendFetch, owner: &OwnerId, record: &Record, link: Option<&Link>) -> Result<(), Error> {
    let Some(link) = link else { return Ok(()) };
    let (owner, link) = (owner.clone(), link.clone());
    let fetch = FetchRecord {
        version: VERSION,
        owner,
        record: record.id,
        due_seq: record.due_seq,
        link,
    };
    Ok(io.send_fetch(&fetch).await?)
}
