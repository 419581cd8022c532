//! The position at which an export continues, and the days that it covers.

use serde::{Deserialize, Serialize};

use super::{ExportHead, VERSION};
use crate::domain::log::LogDay;
use crate::domain::time::iso;
use crate::domain::{OwnerId, Time, Timing};

/// Maximum number of days of one export: a year.
pub const EXPORT_DAYS_MAX: i64 = 366;
/// Days from the default first day to the last.
const DEFAULT_DAYS: i64 = 30;

/// The days of an export, first and last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRange {
    from: LogDay,
    to: LogDay,
}

/// A day that cannot be the first or the last of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogRangeError {
    /// The first day is unreadable.
    From,
    /// The last day is unreadable.
    To,
    /// The last day is before the first.
    Backwards,
    /// The last day is more than 365 days after the first.
    TooLong,
}

impl LogRangeError {
    /// The parameter that is wrong, as a pointer, and its expected value.
    #[must_use]
    pub const fn expected(self) -> (&'static str, &'static str) {
        const DATE: &str = "a date such as 2026-11-25";
        match self {
            Self::From => ("/from", DATE),
            Self::To => ("/to", DATE),
            Self::Backwards => ("/to", "a date that is not before from, which is not after today"),
            Self::TooLong => ("/from", "a date at most 365 days before to"),
        }
    }
}

impl LogRange {
    /// All days from `earliest` to today, without a limit to their number.
    #[must_use]
    pub fn all(earliest: LogDay, today: LogDay) -> Self {
        Self {
            from: earliest.min(today),
            to: today,
        }
    }

    /// Reads the days. Without `to`, the last day is today, which is also the latest possible last day. Without `from`,
    /// the first day is 30 days earlier. Days before `earliest`, whose entries may have expired, are left out.
    ///
    /// # Errors
    /// Fails if a day is unreadable or has another length than the days of the log, or if the order or number of days
    /// is wrong.
    pub fn read(from: Option<&str>, to: Option<&str>, today: LogDay, earliest: LogDay) -> Result<Self, LogRangeError> {
        let read = |text: &str| LogDay::parse(text).ok().filter(|day| day.is_as_long_as(today));
        let to = to.map(|text| read(text).ok_or(LogRangeError::To)).transpose()?;
        let to = to.map_or(today, |to| to.min(today));
        let from = from.map(|text| read(text).ok_or(LogRangeError::From)).transpose()?;
        let from = from.unwrap_or(to.minus(DEFAULT_DAYS));
        match from.days_to(to) {
            ..0 => Err(LogRangeError::Backwards),
            EXPORT_DAYS_MAX.. => Err(LogRangeError::TooLong),
            _ => Ok(Self {
                from: from.max(earliest.min(to)),
                to,
            }),
        }
    }
}

/// The position at which the next page begins, with the parts of the head that do not follow from the request. It names
/// neither the person nor the stack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExportPosition {
    from: LogDay,
    to: LogDay,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_through: Option<LogDay>,
    #[serde(with = "iso")]
    exported_at: Time,
    /// The sealed day to begin or continue; `None` for the tail.
    pub day: Option<LogDay>,
    /// The sort key of the last entry before the position.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many leaves of the day come before the position.
    pub leaves: u64,
}

impl ExportPosition {
    /// The start of an export. `sealed_through` is the last sealed day.
    #[must_use]
    pub fn begin(range: LogRange, sealed_through: Option<LogDay>, now: Time) -> Self {
        let LogRange { from, to } = range;
        let is_sealed = sealed_through.is_some_and(|through| from <= through);
        Self {
            from,
            to,
            sealed_through,
            exported_at: now,
            day: is_sealed.then_some(from),
            after: None,
            leaves: 0,
        }
    }

    /// Whether the days have the length that this timing gives them.
    #[must_use]
    pub fn has_days_of(&self, timing: Timing) -> bool {
        self.from.is_as_long_as(LogDay::of(self.exported_at, timing))
    }

    /// The head of every page of the export.
    #[must_use]
    pub fn head(&self, owner: &OwnerId, stack: &str) -> ExportHead {
        ExportHead {
            v: VERSION,
            owner: owner.clone(),
            stack: stack.to_owned(),
            from: self.from,
            to: self.to,
            sealed_through: self.sealed_through,
            exported_at: self.exported_at,
        }
    }

    /// The sealed days that are left, first and last; `None` in the tail.
    #[must_use]
    pub fn sealed_range(&self) -> Option<(LogDay, LogDay)> {
        Some((self.day?, self.sealed_through?.min(self.to)))
    }

    /// The span of the entries after the last sealed day: its first moment, and the moment after it. `None` if the last
    /// day of the export is sealed.
    #[must_use]
    pub fn tail(&self) -> Option<(Time, Time)> {
        let first = self
            .sealed_through
            .map_or(self.from, |through| through.next().max(self.from));
        (first <= self.to).then(|| (first.begin(), self.to.next().begin()))
    }

    /// The same export at another position.
    #[must_use]
    pub(super) fn at(&self, day: Option<LogDay>, after: Option<String>, leaves: u64) -> Self {
        Self {
            day,
            after,
            leaves,
            ..self.clone()
        }
    }
}
