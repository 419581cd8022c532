//! Errors of the table.

use super::Condition;

/// A failed read or write. Holds names of conditions and codes, no data.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Conditions of a write failed, listed in the order of its writes. Nothing was written.
    #[error("conditions failed: {0:?}")]
    Conflict(Vec<Condition>),
    /// The table could not be reached, or another transaction touched the same items: try again.
    #[error("the table is unavailable: {0}")]
    Unavailable(String),
    /// A stored item cannot be read.
    #[error("a stored {0} cannot be read")]
    Unreadable(&'static str),
    /// The table refused the call: a defect or a missing permission.
    #[error("the table refused: {0}")]
    Refused(String),
}

impl StoreError {
    /// Whether the same call may succeed later. A refused call may: usually the deployment is wrong (a permission, a
    /// key), and the call succeeds after the operator has corrected it.
    #[must_use]
    pub const fn retryable(&self) -> bool {
        match self {
            Self::Conflict(_) | Self::Unavailable(_) | Self::Refused(_) => true,
            Self::Unreadable(_) => false,
        }
    }

    /// Whether this condition is among those that failed.
    #[must_use]
    pub fn lacks(&self, condition: Condition) -> bool {
        matches!(self, Self::Conflict(failed) if failed.contains(&condition))
    }
}
