//! Announces due work of runs and records. If SQS can hold the wait, the announcement is a delayed message. After a
//! longer wait, or if the message is lost, `reconcile` finds the work in the due index.

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

/// Announces the due work of a run and of a record, in one request if both have due work.
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

/// If the record has ended, sends an `advance` for the run that waits for it.
///
/// # Errors
/// Fails if the run cannot be read or the message cannot be sent. Without the message, the run checks the record at its
/// own due time.
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
