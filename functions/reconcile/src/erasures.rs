//! Continues erasures whose due time has passed, and counts those that take too long.

use shared::Error;
use shared::domain::Time;
use shared::domain::erasure::late_before;
use shared::message::AccountWork;
use shared::metrics::{Metric, Metrics};
use shared::ports::Clock;
use shared::queue::SendAccountWork;
use shared::store::ReadUnfinishedErasures;

/// Maximum number of erasures that one tick continues; the next tick finds the rest.
const SENT_MAX: usize = 100;

/// Sends a message for each erasure that is due. Writes the number of late erasures, unless it is zero.
///
/// # Errors
/// Fails if the due index cannot be read or a message cannot be sent; the next tick finds the same erasures.
pub(crate) async fn tick(
    io: &(impl ReadUnfinishedErasures + SendAccountWork + Clock),
    metrics: &Metrics,
    now: Time,
) -> Result<(), Error> {
    let unfinished = io.unfinished_erasures().await?;
    let since = late_before(now, io.timing());
    let late = unfinished.iter().filter(|erasure| erasure.requested_at < since).count() as u64;
    metrics.put((late > 0).then(|| Metric::erasures_late(late)).as_slice());
    for due in unfinished.iter().filter(|erasure| erasure.due_at <= now).take(SENT_MAX) {
        io.send_account_work(&AccountWork::erase(due.id)).await?;
    }
    Ok(())
}
