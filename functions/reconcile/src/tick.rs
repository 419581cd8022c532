//! One tick.

use std::time::Duration;

use shared::Error;
use shared::domain::Time;
use shared::metrics::{Metric, Metrics};
use shared::ports::Clock;
use shared::queue::SendAdvance;
use shared::store::{Due, ReadDue};

/// Most items sent from one shard in one tick; the rest is still there in the next.
const LIMIT: i32 = 100;

/// Sends an `advance` for everything that is overdue; how many.
///
/// # Errors
/// When the due index cannot be read, or a message cannot be sent: the next tick finds the same.
pub async fn tick(io: &(impl ReadDue + SendAdvance + Clock), metrics: &Metrics, now: Time) -> Result<usize, Error> {
    let due = io.overdue(now.minus(io.timing().overdue()), LIMIT).await?;
    metrics.put(&found(&due, now));
    let advances: Vec<_> = due.iter().map(|due| (due.advance.clone(), Duration::ZERO)).collect();
    io.send_advances(&advances).await?;
    if !due.is_empty() {
        tracing::info!(sent = due.len(), "overdue work sent again");
    }
    Ok(due.len())
}

/// Nothing is found in most ticks of a quiet deployment, and then there is nothing to tell.
fn found(due: &[Due], now: Time) -> Vec<Metric> {
    let Some(oldest) = due.iter().map(|due| due.due_at).min() else {
        return Vec::new();
    };
    vec![
        Metric::overdue_items(due.len() as u64),
        Metric::overdue_age(oldest.until(now)),
    ]
}
