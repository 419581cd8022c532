//! One tick.

use std::time::Duration;

use shared::Error;
use shared::domain::{Time, Timing};
use shared::queue::SendAdvance;
use shared::store::{Due, ReadDue};

/// Most items sent from one shard in one tick; the rest is still there in the next.
const LIMIT: i32 = 100;

/// Sends an `advance` for everything that is overdue; how many.
///
/// # Errors
/// When the due index cannot be read, or a message cannot be sent: the next tick finds the same.
pub async fn tick(store: &impl ReadDue, queue: &impl SendAdvance, now: Time, timing: Timing) -> Result<usize, Error> {
    let due = store.overdue(now.minus(timing.overdue()), LIMIT).await?;
    for Due(advance) in &due {
        queue.send_advance(advance, Duration::ZERO).await?;
    }
    if !due.is_empty() {
        tracing::info!(sent = due.len(), "overdue work sent again");
    }
    Ok(due.len())
}
