//! A receiver settles a message: it deletes the message, or changes when it becomes visible again.

use super::{Entry, Hold, Queue, millis};
use crate::sqs::receipt::Receipt;
use crate::sqs::refusal::Refusal;
use crate::sqs::settings::VISIBILITY_SECS_MAX;

impl Queue {
    /// Deletes the message if `receipt` comes from its latest receive, even if the message is visible again. A stale
    /// receipt deletes nothing and is not an error (SQS API reference, "DeleteMessage"). Returns whether a message was
    /// deleted.
    pub(crate) fn delete(&mut self, receipt: Receipt) -> bool {
        self.is_latest(receipt) && self.remove(receipt.number).is_some()
    }

    /// Makes the message visible `visibility_secs` from now. Refuses a message that was deleted, was received again or
    /// is already visible. It also refuses a time later than 12 hours after the receive.
    pub(crate) fn change_visibility(
        &mut self,
        receipt: Receipt,
        visibility_secs: u32,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let held = self.entries.get(&receipt.number).filter(|_| self.is_latest(receipt));
        let Some(Entry {
            visible_at_ms,
            hold: Hold::Flight { since_ms, .. },
            ..
        }) = held
        else {
            return Err(Refusal::InvalidParameterValue(
                "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available \
                 for visibility timeout change."
                    .to_owned(),
            ));
        };
        if *visible_at_ms <= now_ms {
            return Err(Refusal::MessageNotInflight);
        }
        let until_ms = now_ms + self.pace.visibility_ms(visibility_secs);
        if until_ms > since_ms + millis(VISIBILITY_SECS_MAX) {
            return Err(Refusal::InvalidParameterValue(format!(
                "Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_SECS_MAX} seconds]"
            )));
        }
        if let Some(mut entry) = self.remove(receipt.number) {
            entry.visible_at_ms = until_ms;
            self.insert_at(receipt.number, entry);
        }
        Ok(())
    }

    fn is_latest(&self, receipt: Receipt) -> bool {
        self.entries.get(&receipt.number).is_some_and(|entry| {
            let same_receive = matches!(entry.hold, Hold::Flight { receive, .. } if receive == receipt.receive);
            same_receive && entry.message.id == receipt.id
        })
    }
}
