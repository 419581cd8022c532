//! `webhook-process`, as in `functions/webhook-process/src`.

use shared::Error;
use shared::domain::identity::{Verdict, Verification};
use shared::domain::record::{Delivery as Kind, Record, RecordEvent, RecordState};
use shared::domain::run::{Outcome as Ended, RunEvent};
use shared::domain::{OwnerId, PatientId, RecordId, RunId, Time};
use shared::queue::{FetchRecord, Link, SendFetch, Subject, VERSION, announce_change, announce_end, announce_record};
use shared::store::{
    Condition, ReadRecord, ReadRun, RecordWrite, RunWrite, SeenMessage, StoreError, WriteRecord, WriteRun,
};
use shared::webhook::{Delivery, Event, WebhookEvent};

use super::ATTEMPTS;
use super::dispatch::run::put_identity;
use crate::Sabotage;
use crate::ids;
use crate::io::Io;
use crate::store::{Item, Key};

type Outcome = Result<&'static str, Error>;

/// The event belongs to nobody we know, or to nothing we asked for; it is not remembered.
pub(crate) const UNMATCHED: &str = "unmatched";
const UNCHANGED: &str = "unchanged";
const DUPLICATE: &str = "duplicate";

pub(crate) async fn process(io: &Io, event: &WebhookEvent) -> Outcome {
    let now = io.now().await;
    let acted = act(io, event, now).await;
    // `Internal` is how what the function gives up is said here.
    if !matches!(acted, Ok(DUPLICATE | UNMATCHED) | Err(Error::Internal(_))) {
        return acted;
    }
    if io.get(Key::Seen(event.message.clone())).await?.is_none() {
        return acted;
    }
    if let Event::Consolidated { delivery } = &event.event {
        offer_again(io, event, delivery).await?;
    }
    Ok(DUPLICATE)
}

async fn act(io: &Io, event: &WebhookEvent, now: Time) -> Outcome {
    match &event.event {
        Event::Source {
            patient,
            source,
            status,
        } => {
            let happened = RunEvent::SourceReported {
                source: *source,
                status: *status,
                request: event.request.clone(),
            };
            report(io, event, patient, &happened, now).await
        }
        Event::Consolidated { delivery } => deliver(io, event, delivery, now).await,
        Event::Identity { verification } => verify(io, event, verification, now).await,
        Event::FirstData { .. } | Event::Other => Ok("ignored"),
        Event::IdentityUnclear { body } => match body.verification() {
            Some(verification) => verify(io, event, &verification, now).await,
            None => Err(Error::Internal("an identity event holds no id that can be read")),
        },
    }
}

fn seen(event: &WebhookEvent, now: Time) -> SeenMessage {
    SeenMessage {
        message: event.message.clone(),
        digest: event.digest.clone(),
        at: now,
    }
}

/// Remembers a message without effect.
async fn done(io: &Io, event: &WebhookEvent, outcome: &'static str, now: Time) -> Outcome {
    match io.commit(io.seen_write(&seen(event, now)).into_iter().collect()).await {
        Err(error) if error.lacks(Condition::MessageUnseen) => Ok(DUPLICATE),
        written => written.map(|()| outcome).map_err(Error::from),
    }
}

async fn by_request(io: &Io, event: &WebhookEvent) -> Result<Option<(OwnerId, Subject)>, StoreError> {
    let Some(request) = &event.request else {
        return Ok(None);
    };
    let item = io.get(Key::Request(request.clone())).await?;
    Ok(item.and_then(|item| match item.as_ref() {
        Item::Request(owner, subject) => Some((owner.clone(), *subject)),
        _ => None,
    }))
}

async fn report(io: &Io, event: &WebhookEvent, patient: &PatientId, happened: &RunEvent, now: Time) -> Outcome {
    let Some((owner, run)) = run_of(io, event, patient).await? else {
        return Ok(UNMATCHED);
    };
    for _ in 0..ATTEMPTS {
        match apply_report(io, event, (&owner, run, patient), happened, now).await {
            Err(Error::Store(StoreError::Conflict(failed))) if failed.contains(&Condition::MessageUnseen) => {
                return Ok(DUPLICATE);
            }
            Err(Error::Store(StoreError::Conflict(_))) => {}
            outcome => return outcome,
        }
    }
    Err(StoreError::Conflict(vec![Condition::RunAsRead]).into())
}

async fn run_of(io: &Io, event: &WebhookEvent, patient: &PatientId) -> Result<Option<(OwnerId, RunId)>, Error> {
    if event.request.is_some() {
        match by_request(io, event).await? {
            Some((owner, Subject::Run(run))) => return Ok(Some((owner, run))),
            Some((_, Subject::Record(_))) => return Ok(None),
            None if event.marks.run.is_none() => return Ok(None),
            None => {}
        }
    }
    let open = io.lock(Key::OpenRun(patient.clone())).await?;
    Ok(open.and_then(|lock| match lock.holder {
        Subject::Run(run) if event.marks.run == Some(run) => Some((lock.owner, run)),
        Subject::Run(_) | Subject::Record(_) => None,
    }))
}

async fn apply_report(
    io: &Io,
    event: &WebhookEvent,
    (owner, run, patient): (&OwnerId, RunId, &PatientId),
    happened: &RunEvent,
    now: Time,
) -> Outcome {
    let before = io.run(owner, run).await?.filter(|run| run.patient == *patient);
    let Some(before) = before else {
        return Ok(UNMATCHED);
    };
    let Some(change) = before.apply(happened, now, io.timing, ids::spare(run, before.version + 1)) else {
        return done(io, event, UNCHANGED, now).await;
    };
    let record = change.new_record(now, io.timing);
    let write = RunWrite {
        event: happened,
        change: &change,
        record: record.as_ref(),
        challenge: None,
        now,
    };
    io.write_run(owner, write, Some(&seen(event, now))).await?;
    let moved = (change.run.due_seq != before.due_seq).then_some(&change.run);
    announce_change(io, owner, moved, record.as_ref(), now).await?;
    Ok("applied")
}

struct Found {
    owner: OwnerId,
    record: RecordId,
    by_lock: bool,
}

async fn record_of(io: &Io, event: &WebhookEvent, delivery: &Delivery) -> Result<Option<Found>, Error> {
    if let Some((owner, subject)) = by_request(io, event).await? {
        return Ok(match subject {
            Subject::Record(record) => Some(Found {
                owner,
                record,
                by_lock: false,
            }),
            Subject::Run(_) => None,
        });
    }
    let open = io.lock(Key::OpenConsolidated(delivery.patient.clone())).await?;
    Ok(open.and_then(|lock| match lock.holder {
        Subject::Record(record) if event.marks.record == Some(record) => Some(Found {
            owner: lock.owner,
            record,
            by_lock: true,
        }),
        Subject::Record(_) | Subject::Run(_) => None,
    }))
}

async fn deliver(io: &Io, event: &WebhookEvent, delivery: &Delivery, now: Time) -> Outcome {
    let Some(found) = record_of(io, event, delivery).await? else {
        return Ok(UNMATCHED);
    };
    for _ in 0..ATTEMPTS {
        match apply_delivery(io, event, delivery, &found, now).await {
            Err(Error::Store(StoreError::Conflict(failed))) if failed.contains(&Condition::MessageUnseen) => {
                return Ok(DUPLICATE);
            }
            Err(Error::Store(StoreError::Conflict(_))) => {}
            outcome => return outcome,
        }
    }
    Err(StoreError::Conflict(vec![Condition::RecordAsRead]).into())
}

async fn apply_delivery(io: &Io, event: &WebhookEvent, delivery: &Delivery, found: &Found, now: Time) -> Outcome {
    let Some(before) = io.record(&found.owner, found.record).await? else {
        return Ok(UNMATCHED);
    };
    let awaited = before.awaits(&delivery.claims(event.request.as_ref()), found.by_lock);
    if !awaited && !io.is(Sabotage::AnyDeliveryTaken) {
        return Ok(UNMATCHED);
    }
    let Some(kind) = kind(delivery) else {
        return done(io, event, "not understood", now).await;
    };
    let happened = RecordEvent::Delivered(kind, event.request.clone());
    let Some(change) = before.apply(&happened, now, io.timing) else {
        return done(io, event, UNCHANGED, now).await;
    };
    let write = RecordWrite {
        change: &change,
        now,
        lock_until: change.record.lock_until(io.timing),
    };
    io.write_record(&found.owner, write, Some(&seen(event, now))).await?;
    follow_up(io, &found.owner, &change.record, delivery.link.as_ref(), now).await?;
    Ok("applied")
}

const fn kind(delivery: &Delivery) -> Option<Kind> {
    match (delivery.status, &delivery.link, delivery.empty) {
        (Ended::Failed, _, _) => Some(Kind::Failure),
        (Ended::Completed, Some(_), _) => Some(Kind::Link),
        (Ended::Completed, None, true) => Some(Kind::Nothing),
        (Ended::Completed, None, false) => None,
    }
}

async fn follow_up(io: &Io, owner: &OwnerId, record: &Record, link: Option<&Link>, now: Time) -> Result<(), Error> {
    if record.state.is_terminal() {
        return announce_end(io, io, owner, record).await;
    }
    send_fetch(io, owner, record, link).await?;
    announce_record(io, owner, record, now).await?;
    Ok(())
}

async fn send_fetch(io: &Io, owner: &OwnerId, record: &Record, link: Option<&Link>) -> Result<(), Error> {
    let Some(link) = link else { return Ok(()) };
    let fetch = FetchRecord {
        version: VERSION,
        owner: owner.clone(),
        record: record.id,
        due_seq: record.due_seq,
        link: link.clone(),
    };
    Ok(io.send_fetch(&fetch).await?)
}

async fn offer_again(io: &Io, event: &WebhookEvent, delivery: &Delivery) -> Result<(), Error> {
    let Some(found) = record_of(io, event, delivery).await? else {
        return Ok(());
    };
    let record = io.record(&found.owner, found.record).await?;
    match record.filter(|record| record.state == RecordState::Offered && record.request == event.request) {
        Some(record) => send_fetch(io, &found.owner, &record, delivery.link.as_ref()).await,
        None => Ok(()),
    }
}

async fn verify(io: &Io, event: &WebhookEvent, verification: &Verification, now: Time) -> Outcome {
    let mut known = Vec::new();
    for session in &verification.sessions {
        if let Some(owner) = io.by_owner(Key::Session(session.clone())).await? {
            known.push((session.clone(), owner));
        }
    }
    let ours: Vec<_> = known.iter().map(|(session, _)| session.clone()).collect();
    let Some(verification) = verification.clone().of_ours(&ours) else {
        return Err(Error::Internal("an identity event names several sessions of ours"));
    };
    let by_session = known.into_iter().next().map(|(_, owner)| owner);
    let Some(owner) = person_of(io, &verification, by_session).await? else {
        return match verification.names_its_session() {
            true => Ok(UNMATCHED),
            false => Err(Error::Internal(
                "an identity event names nobody we know, and no session",
            )),
        };
    };
    for _ in 0..ATTEMPTS {
        let (identity, verdict) = super::people::identity(io, &owner).await?.verify(&verification, now);
        if verdict == Verdict::Unbound {
            return Err(Error::Internal(
                "an identity event does not say which of two sessions it confirms",
            ));
        }
        if verdict != Verdict::Bound {
            return done(io, event, "not bound", now).await;
        }
        let mut writes = vec![put_identity(&owner, identity)];
        writes.extend(io.seen_write(&seen(event, now)));
        match io.commit(writes).await {
            Ok(()) => return Ok("applied"),
            Err(error) if error.lacks(Condition::MessageUnseen) => return Ok(DUPLICATE),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(StoreError::Conflict(vec![Condition::IdentityAsRead]).into())
}

async fn person_of(
    io: &Io,
    verification: &Verification,
    by_session: Option<OwnerId>,
) -> Result<Option<OwnerId>, Error> {
    if let Some(mark) = &verification.mark
        && let Some(owner) = io.by_owner(Key::Mark(mark.clone())).await?
    {
        return Ok(Some(owner));
    }
    match (by_session, &verification.patient) {
        (Some(owner), _) => Ok(Some(owner)),
        (None, Some(patient)) => Ok(io.by_owner(Key::PatientOwner(patient.clone())).await?),
        (None, None) => Ok(None),
    }
}
