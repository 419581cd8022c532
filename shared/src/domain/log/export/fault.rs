//! The first fault of an export.

use std::fmt;

use crate::domain::Time;
use crate::domain::log::{LogDay, LogHash};

/// The first fault of an export, in words for the person who checks it. It holds nothing of an entry but its time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    /// An entry of a sealed day.
    #[error("day {day}, entry {number}{}: {fault}", shown(.at))]
    Entry {
        /// The day.
        day: LogDay,
        /// Number of the entry in its day, from 1.
        number: usize,
        /// The time that the entry states, if the file has an entry there.
        at: Option<Time>,
        /// The fault.
        fault: EntryFault,
    },
    /// A day.
    #[error("day {day}: {fault}")]
    Day {
        /// The day.
        day: LogDay,
        /// The fault.
        fault: DayFault,
    },
    /// A page of the file.
    #[error("page {page}: {fault}")]
    Page {
        /// Number of the page, from 1.
        page: u64,
        /// The fault.
        fault: PageFault,
    },
    /// The export has no sealed day.
    #[error("the file has no sealed day, so nothing in it can be verified")]
    NothingSealed,
}

fn shown(at: &Option<Time>) -> String {
    at.map(|at| format!(" ({at})")).unwrap_or_default()
}

/// A fault of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EntryFault {
    /// It has another text.
    #[error("changed")]
    Changed,
    /// It is missing from its place.
    #[error("dropped")]
    Dropped,
    /// It was not in the log when the day was sealed.
    #[error("inserted")]
    Inserted,
    /// It has another place.
    #[error("reordered")]
    Reordered,
}

/// A fault of a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DayFault {
    /// The day should have a seal and has none.
    #[error("seal missing")]
    SealMissing,
    /// The day is repeated, comes too late, or does not belong to the export.
    #[error("out of order")]
    OutOfOrder,
    /// The rest of the day is missing.
    #[error("cut short")]
    CutShort,
    /// The day has more entries than the verifier keeps in memory.
    #[error("more than {0} entries")]
    TooLarge(u64),
    /// The seal names a key that was not given.
    #[error("sealed with an unknown key (SHA-256 {0})")]
    UnknownKey(LogHash),
    /// A part of the day is not the one that was sealed.
    #[error("rewritten ({0})")]
    Rewritten(SealedPart),
}

impl DayFault {
    pub(super) const fn on(self, day: LogDay) -> LogFault {
        LogFault::Day { day, fault: self }
    }
}

impl PageFault {
    pub(super) const fn on(self, page: u64) -> LogFault {
        LogFault::Page { page, fault: self }
    }
}

/// A part of a sealed day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedPart {
    /// The statement, which cannot be read, or is about another day or stack.
    Statement,
    /// The signature.
    Signature,
    /// The reference to the seal before.
    Chain,
    /// The person's shard.
    Shard,
    /// The person's entries as a whole.
    Entries,
}

impl fmt::Display for SealedPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Statement => "statement",
            Self::Signature => "signature",
            Self::Chain => "chain",
            Self::Shard => "shard",
            Self::Entries => "entries",
        })
    }
}

/// A fault of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageFault {
    /// The export must go on with this page.
    #[error("missing")]
    Missing,
    /// The page belongs to another export.
    #[error("of another export")]
    OtherExport,
    /// The page has another version of the format.
    #[error("of an unknown version")]
    UnknownVersion,
    /// The page follows the end of the export.
    #[error("after the end of the export")]
    AfterEnd,
}
