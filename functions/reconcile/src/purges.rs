//! Counts quarantines whose deadline has passed.

use shared::Error;
use shared::domain::Time;
use shared::metrics::{Metric, Metrics};
use shared::store::CountPurges;

/// Writes the number of quarantines that an operator should have ended. A tick that finds none writes no metric.
///
/// # Errors
/// Fails if the due index cannot be read.
pub(crate) async fn count_overdue(io: &impl CountPurges, metrics: &Metrics, now: Time) -> Result<(), Error> {
    let overdue = io.overdue_purges(now).await?;
    if overdue > 0 {
        metrics.put(&[Metric::purges_overdue(overdue)]);
    }
    Ok(())
}
