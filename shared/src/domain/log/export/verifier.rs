//! Reads the pages of an export in order and finds its first fault.

use super::day::{OpenDay, verify_seal};
use super::{DayFault, ExportHead, ExportPage, ExportedDay, LogFault, PageFault, SealedPart, UnsealedTail, VERSION};
use crate::domain::Time;
use crate::domain::log::seal::{SealHash, SealStatement};
use crate::domain::log::{LogDay, SealPublicKey};

/// A seal may be this many days late, because the sealing may fail for as long.
const LATE_DAYS_MAX: i64 = 3;

/// The state between two pages. Its memory is that of one day's hashes.
pub struct LogVerifier {
    keys: Vec<SealPublicKey>,
    pages: u64,
    head: Option<ExportHead>,
    first: Option<LogDay>,
    last: Option<SealHash>,
    open: Option<OpenDay>,
    entries: usize,
    tail: Option<Tail>,
}

struct Tail {
    entries: usize,
    more: bool,
}

/// An export without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedLog {
    /// Person, stack and time, as the file states them. The proofs fix person and stack, but not the time.
    pub head: ExportHead,
    /// The first proven day.
    pub first: LogDay,
    /// The seal of the last proven day.
    pub last: SealHash,
    /// Entries of the proven days.
    pub entries: usize,
    /// Entries that no seal covers yet; `None` if the export ends before the last seal.
    pub unsealed: Option<usize>,
}

impl LogVerifier {
    /// A verifier that accepts seals by these keys.
    #[must_use]
    pub const fn new(keys: Vec<SealPublicKey>) -> Self {
        Self {
            keys,
            pages: 0,
            head: None,
            first: None,
            last: None,
            open: None,
            entries: 0,
            tail: None,
        }
    }

    /// Checks the next page.
    ///
    /// # Errors
    /// Returns the first fault.
    pub fn read_page(mut self, page: ExportPage) -> Result<Self, LogFault> {
        self.pages += 1;
        let head = self.check_head(page.log)?;
        for part in page.days {
            self.read_day(&head, part)?;
        }
        if let Some(tail) = page.unsealed {
            self.read_tail(&head, &tail)?;
        }
        self.head = Some(head);
        Ok(self)
    }

    fn check_head(&mut self, head: ExportHead) -> Result<ExportHead, LogFault> {
        if head.v != VERSION {
            return Err(PageFault::UnknownVersion.on(self.pages));
        }
        if self.head.take().is_some_and(|first| first != head) {
            return Err(PageFault::OtherExport.on(self.pages));
        }
        if self.tail.as_ref().is_some_and(|tail| !tail.more) {
            return Err(PageFault::AfterEnd.on(self.pages));
        }
        Ok(head)
    }

    fn read_day(&mut self, head: &ExportHead, part: ExportedDay) -> Result<(), LogFault> {
        if self.tail.is_some() {
            return Err(PageFault::AfterEnd.on(self.pages));
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin_day(head, &part)?,
        };
        let more = part.more;
        open.add(part)?;
        if more {
            self.open = Some(open);
        } else {
            self.entries += open.close()?;
        }
        Ok(())
    }

    fn begin_day(&mut self, head: &ExportHead, part: &ExportedDay) -> Result<OpenDay, LogFault> {
        let (day, expected) = (part.day, self.next_day(head));
        if day < expected || head.last_sealed().is_none_or(|last| day > last) {
            return Err(DayFault::OutOfOrder.on(day));
        }
        if day > expected && self.last.is_some() {
            return Err(DayFault::SealMissing.on(expected));
        }
        let statement = verify_seal(part, &head.stack, &self.keys)?;
        self.check_chain(&statement, expected)?;
        self.first.get_or_insert(day);
        self.last = Some(SealHash::new(day, &part.proof.seal.statement));
        OpenDay::new(part, &statement, &head.owner)
    }

    /// The seal before must be that of the last day; otherwise the last day is not the one that this statement names.
    /// Before the first day of the export it is unknown; then a statement without it is the first of the stack.
    fn check_chain(&self, statement: &SealStatement, expected: LogDay) -> Result<(), LogFault> {
        match (self.last, statement.previous) {
            (None, None) => Ok(()),
            (None, Some(_)) if statement.day > expected => Err(DayFault::SealMissing.on(expected)),
            (None, Some(previous)) if previous.day.next() == statement.day => Ok(()),
            (Some(last), Some(previous)) if last == previous => Ok(()),
            (last, _) => {
                let day = last.map_or(statement.day, |last| last.day);
                Err(DayFault::Rewritten(SealedPart::Chain).on(day))
            }
        }
    }

    fn next_day(&self, head: &ExportHead) -> LogDay {
        self.last.map_or(head.from, |last| last.day.next())
    }

    fn read_tail(&mut self, head: &ExportHead, part: &UnsealedTail) -> Result<(), LogFault> {
        self.check_days_ended(head)?;
        if !head.has_tail() {
            return Err(PageFault::AfterEnd.on(self.pages));
        }
        let before = self.tail.take().map_or(0, |tail| tail.entries);
        self.tail = Some(Tail {
            entries: before + part.entries.len(),
            more: part.more,
        });
        Ok(())
    }

    /// Checks that every sealed day was read to its end.
    fn check_days_ended(&self, head: &ExportHead) -> Result<(), LogFault> {
        if let Some(open) = &self.open {
            return Err(DayFault::CutShort.on(open.day));
        }
        let next = self.next_day(head);
        match head.last_sealed() {
            Some(last) if next <= last => Err(DayFault::SealMissing.on(next)),
            _ => Ok(()),
        }
    }

    /// Ends the export. The seals must reach the time of the export, or `as_of`, except for the last three days.
    ///
    /// # Errors
    /// Returns the first fault.
    pub fn finish(mut self, as_of: Option<Time>) -> Result<VerifiedLog, LogFault> {
        self.pages += 1;
        let head = self.head.take().ok_or_else(|| PageFault::Missing.on(self.pages))?;
        let has_ended = match &self.tail {
            Some(tail) => !tail.more,
            None => !head.has_tail() && self.check_days_ended(&head).is_ok(),
        };
        if !has_ended {
            return Err(PageFault::Missing.on(self.pages));
        }
        let (Some(first), Some(last), Some(through)) = (self.first, self.last, head.sealed_through) else {
            return Err(LogFault::NothingSealed);
        };
        if through.days_until(as_of.unwrap_or(head.exported_at)) > LATE_DAYS_MAX {
            return Err(DayFault::SealMissing.on(through.next()));
        }
        Ok(VerifiedLog {
            head,
            first,
            last,
            entries: self.entries,
            unsealed: self.tail.map(|tail| tail.entries),
        })
    }
}
