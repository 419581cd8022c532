//! A consolidated query ended. What it delivers is taken only if it answers what we asked.

use shared::Error;
use shared::domain::record::{Delivery as Kind, Record, RecordEvent, RecordState};
use shared::domain::run::Outcome as Ended;
use shared::domain::{OwnerId, RecordId, Time};
use shared::queue::{FetchRecord, Link, SendFetch, Subject, VERSION, announce_end, announce_record};
use shared::store::{Condition, Correlate, ReadRecord, RecordWrite, StoreError, WriteRecord};
use shared::webhook::{Delivery, WebhookEvent};

use crate::Deps;
use crate::process::{ATTEMPTS, DUPLICATE, GONE, Outcome, UNCHANGED, UNMATCHED, done, seen};

pub(crate) async fn deliver(
    deps: &Deps,
    event: &WebhookEvent,
    delivery: &Delivery,
    now: Time,
) -> Result<Outcome, Error> {
    let Some(found) = correlate(deps, event, delivery).await? else {
        return Ok(UNMATCHED);
    };
    for _ in 0..ATTEMPTS {
        match apply(deps, event, delivery, &found, now).await {
            Err(Error::Store(StoreError::Conflict(failed))) if failed.contains(&Condition::MessageUnseen) => {
                return Ok(DUPLICATE);
            }
            Err(Error::Store(StoreError::Conflict(_))) => {}
            outcome => return outcome,
        }
    }
    Err(StoreError::Conflict(vec![Condition::RecordAsRead]).into())
}

/// The message was seen and its effect written, but perhaps not sent on.
pub(crate) async fn offer_again(deps: &Deps, event: &WebhookEvent, delivery: &Delivery) -> Result<(), Error> {
    let Some(found) = correlate(deps, event, delivery).await? else {
        return Ok(());
    };
    let record = deps.table.record(&found.owner, found.record).await?;
    match record.filter(|record| record.state == RecordState::Offered && record.request == event.request) {
        Some(record) => send_fetch(deps, &found.owner, &record, delivery.link.as_ref()).await,
        None => Ok(()),
    }
}

struct Found {
    owner: OwnerId,
    record: RecordId,
    /// Found by the patient's lock and our own metadata, because our write of the request id is still out.
    by_lock: bool,
}

async fn correlate(deps: &Deps, event: &WebhookEvent, delivery: &Delivery) -> Result<Option<Found>, Error> {
    if let Some(request) = &event.request
        && let Some(found) = deps.table.by_request(request).await?
    {
        return Ok(match found.subject {
            Subject::Record(record) => Some(Found {
                owner: found.owner,
                record,
                by_lock: false,
            }),
            Subject::Run(_) => None,
        });
    }
    let open = deps.table.open_consolidated(&delivery.patient).await?;
    let ours = open.filter(|(_, record)| event.marks.record == Some(*record));
    Ok(ours.map(|(owner, record)| Found {
        owner,
        record,
        by_lock: true,
    }))
}

async fn apply(
    deps: &Deps,
    event: &WebhookEvent,
    delivery: &Delivery,
    found: &Found,
    now: Time,
) -> Result<Outcome, Error> {
    let Some(before) = deps.table.record(&found.owner, found.record).await? else {
        return Ok(GONE);
    };
    if !before.awaits(&delivery.claims(event.request.as_ref()), found.by_lock) {
        return Ok(UNMATCHED);
    }
    let Some(kind) = kind(delivery) else {
        return done(deps, event, "not understood", now).await;
    };
    let happened = RecordEvent::Delivered(kind, event.request.clone());
    let Some(change) = before.apply(&happened, now, deps.timing) else {
        return done(deps, event, UNCHANGED, now).await;
    };
    let write = RecordWrite {
        change: &change,
        now,
        lock_until: change.record.lock_until(deps.timing),
    };
    deps.table
        .write_record(&found.owner, write, Some(&seen(event, now)))
        .await?;
    follow_up(deps, &found.owner, &change.record, delivery.link.as_ref(), now).await?;
    Ok("applied")
}

/// What a delivery brings; `None` when that is not understood, for then it must not read as "nothing".
const fn kind(delivery: &Delivery) -> Option<Kind> {
    match (delivery.status, &delivery.link, delivery.empty) {
        (Ended::Failed, _, _) => Some(Kind::Failure),
        (Ended::Completed, Some(_), _) => Some(Kind::Link),
        (Ended::Completed, None, true) => Some(Kind::Nothing),
        (Ended::Completed, None, false) => None,
    }
}

async fn follow_up(deps: &Deps, owner: &OwnerId, record: &Record, link: Option<&Link>, now: Time) -> Result<(), Error> {
    if record.state.is_terminal() {
        return announce_end(&deps.table, &deps.advances, owner, record).await;
    }
    send_fetch(deps, owner, record, link).await?;
    announce_record(&deps.advances, owner, record, now).await?;
    Ok(())
}

async fn send_fetch(deps: &Deps, owner: &OwnerId, record: &Record, link: Option<&Link>) -> Result<(), Error> {
    let Some(link) = link else { return Ok(()) };
    let (owner, link) = (owner.clone(), link.clone());
    let fetch = FetchRecord {
        version: VERSION,
        owner,
        record: record.id,
        due_seq: record.due_seq,
        link,
    };
    Ok(deps.fetches.send_fetch(&fetch).await?)
}
