//! Announces due work. A wait that SQS can hold becomes a delayed message. Longer waits and lost messages are left to
//! the due index and `reconcile`.

use std::time::Duration;

use crate::domain::record::Record;
use crate::domain::run::Run;
use crate::domain::{OwnerId, Time};
use crate::edge::error::Error;
use crate::message::Advance;
use crate::queue::{QueueError, SendAdvance};
use crate::store::ReadRun;

/// Announces a run's due work.
///
/// # Errors
/// When the message cannot be sent; `reconcile` sends it later.
pub async fn announce_run(queue: &impl SendAdvance, owner: &OwnerId, run: &Run, now: Time) -> Result<(), QueueError> {
    announce_change(queue, owner, Some(run), None, now).await
}

/// Announces a record's due work.
///
/// # Errors
/// As [`announce_run`].
pub async fn announce_record(
    queue: &impl SendAdvance,
    owner: &OwnerId,
    record: &Record,
    now: Time,
) -> Result<(), QueueError> {
    announce_change(queue, owner, None, Some(record), now).await
}

/// Announces the due work of a run and of a record, in one request if both have some.
///
/// # Errors
/// As [`announce_run`].
pub async fn announce_change(
    queue: &impl SendAdvance,
    owner: &OwnerId,
    run: Option<&Run>,
    record: Option<&Record>,
    now: Time,
) -> Result<(), QueueError> {
    let run = run.and_then(|run| Some((Advance::of_run(owner, run), run.due_at?)));
    let record = record.and_then(|record| Some((Advance::of_record(owner, record), record.due_at?)));
    let due = run.into_iter().chain(record);
    let due = due.map(|(advance, due_at)| (advance, now.until(due_at)));
    let due: Vec<_> = due.filter(|(_, delay)| *delay <= queue.delay_max()).collect();
    queue.send_advances(&due).await
}

/// Sends an `advance` for the run that waits for this record, if there is such a run and the record has ended.
///
/// # Errors
/// When the run cannot be read or the message cannot be sent; the run checks the record later anyway.
pub async fn announce_end(io: &(impl ReadRun + SendAdvance), owner: &OwnerId, record: &Record) -> Result<(), Error> {
    let Some(id) = record.run.filter(|_| record.state.is_terminal()) else {
        return Ok(());
    };
    match io
        .run(owner, id)
        .await?
        .filter(|run| run.final_record == Some(record.id))
    {
        Some(run) => Ok(io
            .send_advances(&[(Advance::of_run(owner, &run), Duration::ZERO)])
            .await?),
        None => Ok(()),
    }
}
