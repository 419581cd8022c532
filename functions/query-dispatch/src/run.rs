//! A run's due work.

mod poll;
mod start;

use shared::domain::challenge::ChallengeSlot;
use shared::domain::record::Record;
use shared::domain::run::{Run, RunEvent, Step};
use shared::domain::{OwnerId, RecordId, RunId, Time};
use shared::queue::{announce_change, announce_end, announce_run};
use shared::store::{ReadRecord, ReadRun, RunWrite, StoreError, WriteRun};
use shared::{Error, clock};

use crate::{ATTEMPTS, Deps, NOTHING, Outcome, STALE};

/// Does what is due of a run.
pub(crate) async fn advance(
    deps: &Deps,
    owner: &OwnerId,
    id: RunId,
    due_seq: u64,
    now: Time,
) -> Result<Outcome, Error> {
    let run = deps.table.run(owner, id).await?.filter(|run| run.due_seq == due_seq);
    let Some(run) = run else { return Ok(STALE) };
    match run.step(now) {
        Step::Start => start::start(deps, owner, &run, now).await,
        Step::Poll => poll::poll(deps, owner, &run, now).await,
        Step::CheckRecord => check_record(deps, owner, &run, now).await,
        Step::Apply(event) => record_event(deps, owner, &run, None, &event, now).await,
        Step::Wait(_) => {
            announce_run(&deps.advances, owner, &run, now).await?;
            Ok("early")
        }
        Step::Nothing => Ok(NOTHING),
    }
}

/// Whether the final record has ended. Until it has, its own deadline is the one that counts.
async fn check_record(deps: &Deps, owner: &OwnerId, run: &Run, now: Time) -> Result<Outcome, Error> {
    let event = match final_record(deps, owner, run).await? {
        Some(record) if record.state.is_terminal() => RunEvent::RecordEnded {
            available: record.is_served(),
        },
        Some(_) if run.due_at.is_some_and(|due_at| now < due_at) => return Ok("record awaited"),
        Some(_) => RunEvent::RecordAwaited {
            until: now.plus(deps.timing.poll_gap(run.polls + 1)),
        },
        None => RunEvent::RecordEnded { available: false },
    };
    let outcome = record_event(deps, owner, run, None, &event, now).await?;
    // It may have ended between the look and the write, and its word for the run's former due work came to nothing.
    if matches!(event, RunEvent::RecordAwaited { .. })
        && let Some(record) = final_record(deps, owner, run).await?
    {
        announce_end(&deps.table, &deps.advances, owner, &record).await?;
    }
    Ok(outcome)
}

async fn final_record(deps: &Deps, owner: &OwnerId, run: &Run) -> Result<Option<Record>, Error> {
    match run.final_record {
        Some(record) => Ok(deps.table.record(owner, record).await?),
        None => Ok(None),
    }
}

/// Writes what happened, over whatever others wrote meanwhile, and announces what follows. The run, and the challenge
/// where it is at hand, may be as they were a moment ago: if they are not so any more, they are read again.
async fn record_event(
    deps: &Deps,
    owner: &OwnerId,
    run: &Run,
    mut challenge: Option<&ChallengeSlot>,
    event: &RunEvent,
    now: Time,
) -> Result<Outcome, Error> {
    let mut run = run.clone();
    for _ in 0..ATTEMPTS {
        match write(deps, owner, &run, challenge, event, now).await {
            Ok(Some(_)) => return Ok("advanced"),
            Ok(None) => return Ok("unchanged"),
            Err(Error::Store(StoreError::Conflict(_))) => match deps.table.run(owner, run.id).await? {
                Some(current) => (run, challenge) = (current, None),
                None => return Ok(STALE),
            },
            Err(error) => return Err(error),
        }
    }
    Err(StoreError::Conflict(Vec::new()).into())
}

/// Writes one change, provided that the run is as it was read, and gives the run as it is then. `None` when the event
/// changes nothing.
async fn write(
    deps: &Deps,
    owner: &OwnerId,
    run: &Run,
    challenge: Option<&ChallengeSlot>,
    event: &RunEvent,
    now: Time,
) -> Result<Option<Run>, Error> {
    let spare = RecordId::new(clock::new_id());
    let Some(change) = run.apply(event, now, deps.timing, spare) else {
        return Ok(None);
    };
    let record = change.new_record(now, deps.timing);
    let write = RunWrite {
        event,
        change: &change,
        record: record.as_ref(),
        challenge,
        now,
    };
    deps.table.write_run(owner, write, None).await?;
    tracing::info!(run = %run.id, state = ?change.run.state, "run advanced");
    announce_change(&deps.advances, owner, Some(&change.run), record.as_ref(), now).await?;
    Ok(Some(change.run))
}
