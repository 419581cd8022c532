//! Sends due work of `account-work`, except erasures.

use shared::Error;
use shared::domain::Time;
use shared::message::AccountWork;
use shared::queue::SendAccountWork;
use shared::store::ReadDueAccountWork;

/// Maximum number of messages that one tick sends; the next tick finds the rest.
const SENT_MAX: i32 = 100;

/// Sends a message for each due item, up to `SENT_MAX`.
///
/// # Errors
/// Fails if the due index cannot be read or a message cannot be sent; the next tick finds the same items.
pub(crate) async fn tick(io: &(impl ReadDueAccountWork + SendAccountWork), now: Time) -> Result<(), Error> {
    for subject in io.due_account_work(now, SENT_MAX).await? {
        io.send_account_work(&AccountWork::about(subject)).await?;
    }
    Ok(())
}
