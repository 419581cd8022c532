//! Counts quarantines whose deadline has passed.

use shared::Error;
use shared::domain::Time;
use shared::metrics::{Metric, Metrics};
use shared::store::CountQuarantines;

/// Writes the number of quarantines that an operator should have ended. A tick that finds none writes no metric.
///
/// # Errors
/// Fails if the due index cannot be read.
pub(crate) async fn count_overdue(io: &impl CountQuarantines, metrics: &Metrics, now: Time) -> Result<(), Error> {
    let overdue = io.count_overdue_quarantines(now).await?;
    if overdue > 0 {
        metrics.put(&[Metric::quarantines_overdue(overdue)]);
    }
    Ok(())
}
