//! A pull's due work.

mod poll;
mod start;

use shared::Error;
use shared::domain::challenge::ChallengeSlot;
use shared::domain::pull::{Pull, PullEvent, Step};
use shared::domain::record::{Record, RecordReason};
use shared::domain::{OwnerId, PullId, Time};
use shared::edge::{announce_change, announce_end, announce_pull};
use shared::ports::{Clock, NewIds};
use shared::queue::SendAdvance;
use shared::store::{PullWrite, ReadPull, ReadRecord, StoreError, WritePull};

use crate::{ATTEMPTS, DispatchOutcome, NOTHING, Ports, STALE};

shared::ports! {
    trait SettlePull = ReadPull + WritePull + SendAdvance + Clock + NewIds;
}

pub(crate) async fn advance(
    io: &impl Ports,
    owner: &OwnerId,
    id: PullId,
    due_seq: u64,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let pull = io.pull(owner, id).await?.filter(|pull| pull.due_seq == due_seq);
    let Some(pull) = pull else { return Ok(STALE) };
    match pull.step(now) {
        Step::Start => start::start(io, owner, &pull, now).await,
        Step::Poll => poll::poll(io, owner, &pull, now).await,
        Step::CheckRecord => check_record(io, owner, &pull, now).await,
        Step::Apply(event) => write_pull_event(io, owner, &pull, None, &event, now).await,
        Step::Wait(_) => {
            announce_pull(io, owner, &pull, now).await?;
            Ok("early")
        }
        Step::Nothing => Ok(NOTHING),
    }
}

/// Checks whether the pull's final record has ended, and otherwise plans the next check. The pull needs no deadline
/// while it waits for the record, because the record has one.
async fn check_record(
    io: &(impl SettlePull + ReadRecord),
    owner: &OwnerId,
    pull: &Pull,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let event = match final_record(io, owner, pull).await? {
        Some(record) if record.reason == Some(RecordReason::ConsentWithdrawn) => PullEvent::ConsentWithdrawn,
        Some(record) if record.state.is_terminal() => PullEvent::RecordEnded {
            available: record.is_served(),
        },
        Some(_) if pull.due_at.is_some_and(|due_at| now < due_at) => return Ok("record awaited"),
        Some(_) => PullEvent::RecordAwaited {
            until: now.plus(io.timing().poll_gap(pull.polls + 1)),
        },
        None => PullEvent::RecordEnded { available: false },
    };
    let outcome = write_pull_event(io, owner, pull, None, &event, now).await?;
    // The record may have ended before this write. The message about its end then has the pull's previous `dueSeq` and
    // is stale, so a new message with the present `dueSeq` is sent.
    if matches!(event, PullEvent::RecordAwaited { .. })
        && let Some(record) = final_record(io, owner, pull).await?
    {
        announce_end(io, owner, &record).await?;
    }
    Ok(outcome)
}

async fn final_record(io: &impl ReadRecord, owner: &OwnerId, pull: &Pull) -> Result<Option<Record>, Error> {
    match pull.final_record {
        Some(record) => Ok(io.record(owner, record).await?),
        None => Ok(None),
    }
}

/// Applies an event to the pull, writes the pull, and announces the work that follows. If another process writes the
/// pull first, the event is applied to the new pull. `pull` and `challenge` may be out of date. After a conflict, the
/// pull is read again, and `challenge` is dropped, so that `write_pull` reads the challenge.
async fn write_pull_event(
    io: &impl SettlePull,
    owner: &OwnerId,
    pull: &Pull,
    mut challenge: Option<&ChallengeSlot>,
    event: &PullEvent,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let mut pull = pull.clone();
    for _ in 0..ATTEMPTS {
        match write(io, owner, &pull, challenge, event, now).await {
            Ok(Some(_)) => return Ok("advanced"),
            Ok(None) => return Ok("unchanged"),
            Err(Error::Store(StoreError::Conflict(_))) => match io.pull(owner, pull.id).await? {
                Some(current) => (pull, challenge) = (current, None),
                None => return Ok(STALE),
            },
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict(Vec::new()).into())
}

/// Writes one change if the pull has not changed since it was read. Returns the changed pull, or `None` if the event
/// changes nothing.
async fn write(
    io: &impl SettlePull,
    owner: &OwnerId,
    pull: &Pull,
    challenge: Option<&ChallengeSlot>,
    event: &PullEvent,
    now: Time,
) -> Result<Option<Pull>, Error> {
    let spare = io.new_record(pull.id, pull.version + 1);
    let Some(change) = pull.apply(event, now, io.timing(), spare) else {
        return Ok(None);
    };
    let record = change.new_record(now, io.timing());
    let write = PullWrite {
        event,
        change: &change,
        record: record.as_ref(),
        challenge,
        now,
    };
    io.write_pull(owner, write).await?;
    tracing::info!(run = %pull.id, state = ?change.pull.state, "pull advanced");
    announce_change(io, owner, Some(&change.pull), record.as_ref(), now).await?;
    Ok(Some(change.pull))
}
