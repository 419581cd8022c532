//! Counts quarantines, and those whose deadline has passed.

#[cfg(test)]
mod tests;

use shared::Error;
use shared::domain::Time;
use shared::metrics::{Metric, Metrics};
use shared::store::CountQuarantines;

/// Writes the number of active quarantines, and of those that an operator should have ended. The stored quarantines are
/// counted, so none escapes the alarm, even if the process that wrote it died. A tick that finds none writes no metric.
///
/// # Errors
/// Fails if the due index cannot be read.
pub(crate) async fn count(io: &impl CountQuarantines, metrics: &Metrics, now: Time) -> Result<(), Error> {
    let active = io.active_quarantines().await?;
    if active == 0 {
        return Ok(());
    }
    let overdue = Some(io.count_overdue_quarantines(now).await?).filter(|overdue| *overdue > 0);
    let written = [
        Some(Metric::quarantines_active(active)),
        overdue.map(Metric::quarantines_overdue),
    ];
    metrics.put(&written.into_iter().flatten().collect::<Vec<_>>());
    Ok(())
}
