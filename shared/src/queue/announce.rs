//! Says that something will be due. A wait that SQS can hold is a delayed message; a longer one is left to the due
//! index and the reconciler, and so is whatever is lost here.

use std::time::Duration;

use super::{Advance, QueueError, SendAdvance};
use crate::domain::record::Record;
use crate::domain::run::Run;
use crate::domain::{OwnerId, Time};
use crate::error::Error;
use crate::store::ReadRun;

/// Announces a run's due work.
///
/// # Errors
/// When the message cannot be sent; the reconciler will.
pub async fn announce_run(queue: &impl SendAdvance, owner: &OwnerId, run: &Run, now: Time) -> Result<(), QueueError> {
    announce(queue, Advance::of_run(owner, run), run.due_at, now).await
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
    announce(queue, Advance::of_record(owner, record), record.due_at, now).await
}

async fn announce(
    queue: &impl SendAdvance,
    advance: Advance,
    due_at: Option<Time>,
    now: Time,
) -> Result<(), QueueError> {
    match due_at.map(|due_at| now.until(due_at)) {
        Some(delay) if delay <= queue.delay_max() => queue.send_advance(&advance, delay).await,
        Some(_) | None => Ok(()),
    }
}

/// Tells the run that waits for this record to look at it now, if there is one and the record has ended.
///
/// # Errors
/// When the run cannot be read or the message cannot be sent; the run looks for itself later.
pub async fn announce_end(
    store: &impl ReadRun,
    queue: &impl SendAdvance,
    owner: &OwnerId,
    record: &Record,
) -> Result<(), Error> {
    let Some(id) = record.run.filter(|_| record.state.is_terminal()) else {
        return Ok(());
    };
    match store
        .run(owner, id)
        .await?
        .filter(|run| run.final_record == Some(record.id))
    {
        Some(run) => Ok(queue
            .send_advance(&Advance::of_run(owner, &run), Duration::ZERO)
            .await?),
        None => Ok(()),
    }
}
