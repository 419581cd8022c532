//! The export of a person's log: pages with entries and proofs, and the [`LogVerifier`] that reads them in order.

mod day;
mod days;
mod fault;
mod page;
mod position;
mod verifier;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use days::{PAGE_PERSONS_MAX, count_days, select_days};
pub use fault::{DayFault, EntryFault, LogFault, PageFault, SealedPart};
pub use page::{PAGE_DAYS_MAX, PAGE_ENTRIES_MAX, PageBuilder, SealedDay, StoredEntry};
pub use position::{EXPORT_DAYS_MAX, ExportPosition, LogRange, LogRangeError};
pub use verifier::{LogVerifier, VerifiedLog};

use super::proof::DayProof;
use super::{LogDay, LogHash};
use crate::domain::time::iso;
use crate::domain::{OwnerId, Time};

/// Version of the format.
pub const VERSION: u32 = 1;
/// Longest page, in bytes: four times what 1,000 entries and the proofs of 31 days need.
pub const PAGE_BYTES_MAX: u64 = 4 << 20;

/// One page. It holds a person's entries, so it has no `Debug`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportPage {
    /// The export that the page belongs to, equal in all its pages.
    pub log: ExportHead,
    /// Sealed days or parts of them, in order.
    pub days: Vec<ExportedDay>,
    /// The entries after the last sealed day, or a part of them. They follow all days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsealed: Option<UnsealedTail>,
    /// The app's next step, which is not a part of the log.
    #[serde(default, skip_serializing)]
    pub next: IgnoredAny,
}

/// The part that all pages of an export share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportHead {
    /// [`VERSION`].
    pub v: u32,
    /// The person.
    pub owner: OwnerId,
    /// Name of the stack.
    pub stack: String,
    /// The first day of the export. Days before the first seal of the stack are left out.
    pub from: LogDay,
    /// The last day of the export.
    pub to: LogDay,
    /// The last day with a seal when the export began; `None` if no day had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sealed_through: Option<LogDay>,
    /// When the export began.
    #[serde(with = "iso")]
    pub exported_at: Time,
}

impl ExportHead {
    /// The last day that the export must prove.
    fn last_sealed(&self) -> Option<LogDay> {
        self.sealed_through.map(|through| through.min(self.to))
    }

    /// Whether the export must end with a tail.
    fn has_tail(&self) -> bool {
        self.sealed_through.is_none_or(|through| through < self.to)
    }
}

/// A sealed day, or the part of it that fits the page.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportedDay {
    /// The day.
    pub day: LogDay,
    /// The proofs of the whole day, equal in all its parts.
    pub proof: DayProof,
    /// The leaves of the entries of this part. They show which entry was changed.
    pub leaves: Vec<LogHash>,
    /// The stored texts of the entries of this part, by sort key.
    pub entries: Vec<Box<RawValue>>,
    /// Whether another part follows.
    pub more: bool,
}

/// Entries after the last sealed day.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnsealedTail {
    /// The stored texts of the entries, by sort key.
    pub entries: Vec<Box<RawValue>>,
    /// Whether another part follows.
    pub more: bool,
}

#[cfg(test)]
mod tests;
