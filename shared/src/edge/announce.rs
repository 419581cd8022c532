//! Announces due work of pulls and records. If SQS can hold the wait, the announcement is a delayed message. After a
//! longer wait, or if the message is lost, `reconcile` finds the work in the due index.

use std::time::Duration;

use crate::domain::pull::Pull;
use crate::domain::record::Record;
use crate::domain::{OwnerId, Time};
use crate::edge::error::Error;
use crate::message::Advance;
use crate::queue::{QueueError, SendAdvance};
use crate::store::ReadPull;

/// Announces a pull's due work.
///
/// # Errors
/// When the message cannot be sent; `reconcile` sends it later.
pub async fn announce_pull(
    queue: &impl SendAdvance,
    owner: &OwnerId,
    pull: &Pull,
    now: Time,
) -> Result<(), QueueError> {
    announce_change(queue, owner, Some(pull), None, now).await
}

/// Announces a record's due work.
///
/// # Errors
/// As [`announce_pull`].
pub async fn announce_record(
    queue: &impl SendAdvance,
    owner: &OwnerId,
    record: &Record,
    now: Time,
) -> Result<(), QueueError> {
    announce_change(queue, owner, None, Some(record), now).await
}

/// Announces the due work of a pull and of a record, in one request if both have due work.
///
/// # Errors
/// As [`announce_pull`].
pub async fn announce_change(
    queue: &impl SendAdvance,
    owner: &OwnerId,
    pull: Option<&Pull>,
    record: Option<&Record>,
    now: Time,
) -> Result<(), QueueError> {
    let pull = pull.and_then(|pull| Some((Advance::of_pull(owner, pull), pull.due_at?)));
    let record = record.and_then(|record| Some((Advance::of_record(owner, record), record.due_at?)));
    let due = pull.into_iter().chain(record);
    let due = due.map(|(advance, due_at)| (advance, now.until(due_at)));
    let due: Vec<_> = due.filter(|(_, delay)| *delay <= queue.delay_max()).collect();
    queue.send_advances(&due).await
}

/// If the record has ended, sends an `advance` for the pull that waits for it.
///
/// # Errors
/// Fails if the pull cannot be read or the message cannot be sent. Without the message, the pull checks the record at
/// its own due time.
pub async fn announce_end(io: &(impl ReadPull + SendAdvance), owner: &OwnerId, record: &Record) -> Result<(), Error> {
    let Some(id) = record.pull.filter(|_| record.state.is_terminal()) else {
        return Ok(());
    };
    match io
        .pull(owner, id)
        .await?
        .filter(|pull| pull.final_record == Some(record.id))
    {
        Some(pull) => Ok(io
            .send_advances(&[(Advance::of_pull(owner, &pull), Duration::ZERO)])
            .await?),
        None => Ok(()),
    }
}
