//! Errors of the table.

use super::Condition;

/// A failed read or write. It holds names of conditions and codes, but no stored data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// These conditions failed, in the order of the transaction's writes. Nothing was written.
    #[error("conditions failed: {0:?}")]
    Conflict(Vec<Condition>),
    /// A withdrawal or an erasure has ended the grant under which the work began. Nothing was written. A grant that has
    /// ended never holds again, so no step retries the write.
    #[error("the person's grant has ended")]
    GrantEnded,
    /// DynamoDB could not be reached, throttled the call, or found another transaction on the same items.
    #[error("the table is unavailable: {0}")]
    Unavailable(String),
    /// A stored item cannot be read.
    #[error("a stored {0} cannot be read")]
    Unreadable(&'static str),
    /// DynamoDB refused the call. The cause is a defect or a missing permission.
    #[error("the table refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether the same call may succeed later. This includes a refused call, because its usual cause is a wrong
    /// deployment (a permission, a key), which the operator corrects.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::Unavailable(_) | Self::Refused(_) => true,
            Self::GrantEnded | Self::Unreadable(_) => false,
        }
    }

    /// Whether this condition is among those that failed.
    #[must_use]
    pub fn lacks(&self, condition: Condition) -> bool {
        matches!(self, Self::Conflict(failed) if failed.contains(&condition))
    }
}
