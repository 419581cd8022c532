//! Fills the pages of an export. A page has at most 31 sealed days and 1,000 entries; a day with more is divided.

use std::collections::VecDeque;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::{ExportHead, ExportPage, ExportPosition, ExportedDay, UnsealedTail};
use crate::domain::log::proof::DayProof;
use crate::domain::log::{LogDay, LogHash};

/// Maximum number of sealed days in a page.
pub const PAGE_DAYS_MAX: usize = 31;
/// Maximum number of entries in a page, and of leaves.
pub const PAGE_ENTRIES_MAX: u16 = 1_000;

/// An entry as the table stores it. It is a person's, so it has no `Debug`.
pub struct StoredEntry {
    pub(super) sort_key: String,
    text: Box<RawValue>,
}

impl StoredEntry {
    /// An entry under this sort key. If the text is not JSON of one line, the export has it as a JSON string, which
    /// then fails the verification.
    #[must_use]
    pub fn new(sort_key: String, text: String) -> Self {
        let json = Some(text.clone()).filter(|text| !text.contains(['\n', '\r']));
        let json = json.and_then(|text| RawValue::from_string(text).ok());
        Self {
            sort_key,
            text: json.unwrap_or_else(|| quote(&text)),
        }
    }
}

fn quote(text: &str) -> Box<RawValue> {
    let quoted = serde_json::value::to_raw_value(text);
    quoted.unwrap_or_else(|_never| RawValue::NULL.to_owned())
}

/// A sealed day of the person.
pub struct SealedDay {
    /// The day.
    pub day: LogDay,
    /// Its proofs.
    pub proof: DayProof,
    /// The number of the person's leaves.
    pub count: u64,
    /// The leaves from the position of the page on, at most [`PAGE_ENTRIES_MAX`].
    pub leaves: Vec<LogHash>,
}

/// A page that is being filled.
pub struct PageBuilder {
    begin: ExportPosition,
    days: Vec<ExportedDay>,
    tail: Option<UnsealedTail>,
    room: usize,
    next: Option<ExportPosition>,
}

impl PageBuilder {
    /// An empty page that begins at `begin`.
    #[must_use]
    pub fn new(begin: ExportPosition) -> Self {
        Self {
            next: Some(begin.clone()),
            begin,
            days: Vec::new(),
            tail: None,
            room: PAGE_ENTRIES_MAX.into(),
        }
    }

    /// How many entries still fit.
    #[must_use]
    pub fn room(&self) -> u16 {
        u16::try_from(self.room).unwrap_or(PAGE_ENTRIES_MAX)
    }

    /// The position after the page; `None` at the end of the export.
    #[must_use]
    pub const fn next(&self) -> Option<&ExportPosition> {
        self.next.as_ref()
    }

    /// Adds the next sealed days of the export and the person's entries from the position on. `more` states whether
    /// entries follow those, and `next` is the day after the last one that was read, if it can be sealed.
    pub fn add_days(&mut self, days: Vec<SealedDay>, entries: Vec<StoredEntry>, more: bool, next: Option<LogDay>) {
        let mut entries = VecDeque::from(entries);
        for day in days {
            if self.room == 0 {
                self.next = Some(self.begin.at(Some(day.day), None, 0));
                return;
            }
            if let Some(next) = self.add_day(day, &mut entries, more) {
                self.next = Some(next);
                return;
            }
        }
        let has_rest = next.is_some() || self.begin.tail().is_some();
        self.next = has_rest.then(|| self.begin.at(next, None, 0));
    }

    /// Adds a day, or the part of it that fits; returns the position of the next part.
    fn add_day(&mut self, of: SealedDay, entries: &mut VecDeque<StoredEntry>, more: bool) -> Option<ExportPosition> {
        let (begin, end) = (of.day.begin().to_string(), of.day.next().begin().to_string());
        // Entries of a day without a seal belong to no part of the export.
        while entries.front().is_some_and(|entry| entry.sort_key < begin) {
            entries.pop_front();
        }
        let is_continued = self.begin.day == Some(of.day);
        let skipped = if is_continued { self.begin.leaves } else { 0 };
        let mut after = self.begin.after.clone().filter(|_| is_continued);
        let mut texts = Vec::new();
        while texts.len() < self.room
            && let Some(entry) = entries.pop_front_if(|entry| entry.sort_key < end)
        {
            after = Some(entry.sort_key);
            texts.push(entry.text);
        }
        let mut leaves = of.leaves;
        leaves.truncate(self.room);
        let shown = skipped.saturating_add(u64::try_from(leaves.len()).unwrap_or(u64::MAX));
        let entries_follow = entries.front().map_or(more, |entry| entry.sort_key < end);
        self.room = self.room.saturating_sub(texts.len().max(leaves.len()));
        let more = entries_follow || shown < of.count;
        self.days.push(ExportedDay {
            day: of.day,
            proof: of.proof,
            leaves,
            entries: texts,
            more,
        });
        more.then(|| self.begin.at(Some(of.day), after, shown))
    }

    /// Adds entries of the tail. `more` states whether others follow.
    pub fn add_tail(&mut self, entries: Vec<StoredEntry>, more: bool) {
        let last = entries.last().map(|entry| entry.sort_key.clone());
        let last = last.or_else(|| self.begin.after.clone());
        self.room = self.room.saturating_sub(entries.len());
        self.tail = Some(UnsealedTail {
            entries: entries.into_iter().map(|entry| entry.text).collect(),
            more,
        });
        self.next = more.then(|| self.begin.at(None, last, 0));
    }

    /// The page, and the position after it.
    #[must_use]
    pub fn finish(self, log: ExportHead) -> (ExportPage, Option<ExportPosition>) {
        let page = ExportPage {
            log,
            days: self.days,
            unsealed: self.tail,
            next: IgnoredAny,
        };
        (page, self.next)
    }
}

#[cfg(test)]
mod tests;
