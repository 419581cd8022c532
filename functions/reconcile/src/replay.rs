//! Finds failed webhook deliveries and requests their replay.

use shared::Error;
use shared::domain::Time;
use shared::domain::budget::Share;
use shared::domain::replay::ReplayVerdict;
use shared::edge::budget::{CountCall, uncount_unsent};
use shared::metrics::{Metric, Metrics};
use shared::metriport::WebhookReplay;
use shared::ports::Clock;
use shared::store::{Condition, KeepReplays};

/// Checks for failed deliveries if a check is due, and requests their replay. Returns whether a replay was requested.
///
/// # Errors
/// Fails if the table or Metriport fails. After a failure, the next check is not earlier than planned.
pub async fn replay(
    io: &(impl KeepReplays + WebhookReplay + CountCall + Clock),
    metrics: &Metrics,
    now: Time,
) -> Result<bool, Error> {
    let Some(claimed) = io.replays().await?.claim(now, io.timing(), io.quota()) else {
        return Ok(false);
    };
    // Written before the calls, so that only one of several concurrent ticks makes them.
    match io.put_replays(&claimed).await {
        Err(error) if error.lacks(Condition::ReplaysAsRead) => return Ok(false),
        claimed => claimed?,
    }
    if !io.count_call(Share::Status, now).await? {
        return Ok(false);
    }
    let status = uncount_unsent(io, io.webhook_status().await, io.now()).await?;
    let failed = status.map_or(0, |status| status.failed);
    let (checked, verdict) = claimed.apply_failed_count(failed);
    io.put_replays(&checked).await?;
    metrics.put(&[
        Metric::failed_deliveries(failed),
        Metric::replays_stalled(verdict == ReplayVerdict::ReplayAndAlarm),
    ]);
    match verdict {
        ReplayVerdict::Healthy => return Ok(false),
        ReplayVerdict::Replay => tracing::warn!(failed, "webhook deliveries failed: their replay is due"),
        ReplayVerdict::ReplayAndAlarm => tracing::error!(failed, "webhook deliveries keep failing after their replay"),
    }
    if !io.count_call(Share::Status, now).await? {
        return Ok(false);
    }
    uncount_unsent(io, io.retry_webhooks().await, io.now()).await?;
    metrics.put(&[Metric::replays_requested()]);
    Ok(true)
}
