//! Sends overdue work again.

use std::time::Duration;

use shared::Error;
use shared::domain::Time;
use shared::domain::in_turn::choose_in_turn;
use shared::metrics::{Metric, Metrics};
use shared::ports::Clock;
use shared::queue::SendAdvance;
use shared::store::{Due, ReadDue};

/// Maximum number of items that one tick reads from one shard.
const READ_MAX: i32 = 1_000;
/// Maximum number of items that one tick sends; the next tick finds the rest. One item of each person in turn is chosen
/// from all items that were read, so that one person's backlog does not delay other persons' work.
const SENT_MAX: usize = 800;

/// Sends an `advance` for each overdue item, up to `SENT_MAX`; returns their number.
///
/// # Errors
/// Fails if the due index cannot be read or a message cannot be sent; the next tick finds the same items.
pub async fn tick(io: &(impl ReadDue + SendAdvance + Clock), metrics: &Metrics, now: Time) -> Result<usize, Error> {
    let mut found = io.overdue(now.minus(io.timing().overdue()), READ_MAX).await?;
    found.sort_by_key(|due| due.due_at);
    metrics.put(&measures(&found, now));
    let due = choose_in_turn(found, SENT_MAX, minute(now), |due| due.advance.owner.clone());
    let advances: Vec<_> = due.iter().map(|due| (due.advance.clone(), Duration::ZERO)).collect();
    io.send_advances(&advances).await?;
    if !due.is_empty() {
        tracing::info!(sent = due.len(), "overdue work sent again");
    }
    Ok(due.len())
}

/// The number of the minute. It is the round for [`choose_in_turn`], so that each tick begins with another person.
fn minute(now: Time) -> usize {
    usize::try_from(now.millis().div_euclid(60_000)).unwrap_or_default()
}

/// The metrics of the overdue items. A tick that finds no item, as most ticks do, writes no metric.
fn measures(found: &[Due], now: Time) -> Vec<Metric> {
    let Some(oldest) = found.iter().map(|due| due.due_at).min() else {
        return Vec::new();
    };
    let left = found.len().saturating_sub(SENT_MAX) as u64;
    let mut metrics = vec![
        Metric::overdue_items(found.len() as u64),
        Metric::overdue_age(oldest.until(now)),
    ];
    metrics.extend((left > 0).then(|| Metric::overdue_left(left)));
    metrics
}

#[cfg(test)]
mod tests;
