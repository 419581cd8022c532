//! A run's due work.

mod poll;
mod start;

use shared::Error;
use shared::domain::challenge::ChallengeSlot;
use shared::domain::record::Record;
use shared::domain::run::{Run, RunEvent, Step};
use shared::domain::{OwnerId, RunId, Time};
use shared::edge::{announce_change, announce_end, announce_run};
use shared::ports::{Clock, NewIds};
use shared::queue::SendAdvance;
use shared::store::{ReadRecord, ReadRun, RunWrite, StoreError, WriteRun};

use crate::{ATTEMPTS, DispatchOutcome, NOTHING, Ports, STALE};

shared::ports! {
    trait SettleRun = ReadRun + WriteRun + SendAdvance + Clock + NewIds;
}

pub(crate) async fn advance(
    io: &impl Ports,
    owner: &OwnerId,
    id: RunId,
    due_seq: u64,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let run = io.run(owner, id).await?.filter(|run| run.due_seq == due_seq);
    let Some(run) = run else { return Ok(STALE) };
    match run.step(now) {
        Step::Start => start::start(io, owner, &run, now).await,
        Step::Poll => poll::poll(io, owner, &run, now).await,
        Step::CheckRecord => check_record(io, owner, &run, now).await,
        Step::Apply(event) => write_run_event(io, owner, &run, None, &event, now).await,
        Step::Wait(_) => {
            announce_run(io, owner, &run, now).await?;
            Ok("early")
        }
        Step::Nothing => Ok(NOTHING),
    }
}

/// Checks whether the run's final record has ended, and otherwise plans the next check. The run needs no deadline while
/// it waits for the record, because the record has one.
async fn check_record(
    io: &(impl SettleRun + ReadRecord),
    owner: &OwnerId,
    run: &Run,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let event = match final_record(io, owner, run).await? {
        Some(record) if record.state.is_terminal() => RunEvent::RecordEnded {
            available: record.is_served(),
        },
        Some(_) if run.due_at.is_some_and(|due_at| now < due_at) => return Ok("record awaited"),
        Some(_) => RunEvent::RecordAwaited {
            until: now.plus(io.timing().poll_gap(run.polls + 1)),
        },
        None => RunEvent::RecordEnded { available: false },
    };
    let outcome = write_run_event(io, owner, run, None, &event, now).await?;
    // The record may have ended before this write. The message about its end then has the run's previous `dueSeq` and
    // is stale, so a new message with the present `dueSeq` is sent.
    if matches!(event, RunEvent::RecordAwaited { .. })
        && let Some(record) = final_record(io, owner, run).await?
    {
        announce_end(io, owner, &record).await?;
    }
    Ok(outcome)
}

async fn final_record(io: &impl ReadRecord, owner: &OwnerId, run: &Run) -> Result<Option<Record>, Error> {
    match run.final_record {
        Some(record) => Ok(io.record(owner, record).await?),
        None => Ok(None),
    }
}

/// Applies an event to the run, writes the run, and announces the work that follows. If another process writes the run
/// first, the event is applied to the new run. `run` and `challenge` may be out of date. After a conflict, the run is
/// read again, and `challenge` is dropped, so that `write_run` reads the challenge.
async fn write_run_event(
    io: &impl SettleRun,
    owner: &OwnerId,
    run: &Run,
    mut challenge: Option<&ChallengeSlot>,
    event: &RunEvent,
    now: Time,
) -> Result<DispatchOutcome, Error> {
    let mut run = run.clone();
    for _ in 0..ATTEMPTS {
        match write(io, owner, &run, challenge, event, now).await {
            Ok(Some(_)) => return Ok("advanced"),
            Ok(None) => return Ok("unchanged"),
            Err(Error::Store(StoreError::Conflict(_))) => match io.run(owner, run.id).await? {
                Some(current) => (run, challenge) = (current, None),
                None => return Ok(STALE),
            },
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict(Vec::new()).into())
}

/// Writes one change if the run has not changed since it was read. Returns the changed run, or `None` if the event
/// changes nothing.
async fn write(
    io: &impl SettleRun,
    owner: &OwnerId,
    run: &Run,
    challenge: Option<&ChallengeSlot>,
    event: &RunEvent,
    now: Time,
) -> Result<Option<Run>, Error> {
    let spare = io.new_record(run.id, run.version + 1);
    let Some(change) = run.apply(event, now, io.timing(), spare) else {
        return Ok(None);
    };
    let record = change.new_record(now, io.timing());
    let write = RunWrite {
        event,
        change: &change,
        record: record.as_ref(),
        challenge,
        now,
    };
    io.write_run(owner, write).await?;
    tracing::info!(run = %run.id, state = ?change.run.state, "run advanced");
    announce_change(io, owner, Some(&change.run), record.as_ref(), now).await?;
    Ok(Some(change.run))
}
