//! One day of an export while its parts are read.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{DayFault, EntryFault, ExportedDay, LogFault, SealedPart};
use crate::domain::log::proof::DayProof;
use crate::domain::log::seal::SealStatement;
use crate::domain::log::{LogDay, LogHash, SealPublicKey, blind, leaf, shard};
use crate::domain::time::iso;
use crate::domain::{OwnerId, Time};

/// Maximum number of entries of a day. The verifier keeps 64 bytes of each until the day is checked.
pub(super) const ENTRIES_MAX: u64 = 1_000_000;

/// A day whose parts are being read.
pub(super) struct OpenDay {
    pub(super) day: LogDay,
    blind: LogHash,
    proof: DayProof,
    /// The leaves that the file lists, which the proof fixes.
    leaves: Vec<LogHash>,
    /// The leaves of the entries that the file has.
    entries: Vec<LogHash>,
    /// The first entry without an equal leaf at its place: its index, and its time.
    differs: Option<(usize, Option<Time>)>,
}

/// Reads the statement of a day, if one of the keys has signed it.
pub(super) fn verify_seal(part: &ExportedDay, stack: &str, keys: &[SealPublicKey]) -> Result<SealStatement, LogFault> {
    let (day, seal) = (part.day, &part.proof.seal);
    let statement = SealStatement::parse(&seal.statement).filter(|read| read.day == day && read.stack == stack);
    let statement = statement.ok_or_else(|| DayFault::Rewritten(SealedPart::Statement).on(day))?;
    let mut keys = keys.iter();
    let key = keys.find(|key| key.fingerprint() == statement.key);
    let key = key.ok_or_else(|| DayFault::UnknownKey(statement.key).on(day))?;
    if !key.verifies(&seal.statement, &seal.signature) {
        return Err(DayFault::Rewritten(SealedPart::Signature).on(day));
    }
    Ok(statement)
}

impl OpenDay {
    /// Begins a day with a verified statement. The part's entries are not read yet.
    pub(super) fn new(part: &ExportedDay, statement: &SealStatement, owner: &OwnerId) -> Result<Self, LogFault> {
        let (day, proof) = (part.day, part.proof.clone());
        if proof.shard.root_of_day(shard(owner)) != Some(statement.root) {
            return Err(DayFault::Rewritten(SealedPart::Shard).on(day));
        }
        Ok(Self {
            day,
            blind: blind(owner, day),
            proof,
            leaves: Vec::new(),
            entries: Vec::new(),
            differs: None,
        })
    }

    /// Adds a part, of which `self` must be the day.
    pub(super) fn add(&mut self, part: ExportedDay) -> Result<(), LogFault> {
        if part.day != self.day {
            return Err(DayFault::CutShort.on(self.day));
        }
        if part.proof != self.proof {
            return Err(DayFault::Rewritten(SealedPart::Entries).on(self.day));
        }
        self.leaves.extend(part.leaves);
        for entry in part.entries {
            self.add_entry(&entry);
        }
        let most = self.leaves.len().max(self.entries.len());
        if u64::try_from(most).is_ok_and(|most| most <= ENTRIES_MAX) {
            Ok(())
        } else {
            Err(DayFault::TooLarge(ENTRIES_MAX).on(self.day))
        }
    }

    fn add_entry(&mut self, entry: &RawValue) {
        let (index, leaf) = (self.entries.len(), leaf(entry.get()));
        if self.differs.is_none() && self.leaves.get(index) != Some(&leaf) {
            self.differs = Some((index, read_time(entry)));
        }
        self.entries.push(leaf);
    }

    /// Checks the whole day. Returns the number of its entries.
    pub(super) fn close(self) -> Result<usize, LogFault> {
        let DayProof { shard, person, .. } = &self.proof;
        if !person.proves(shard, self.blind, &self.leaves) {
            return Err(DayFault::Rewritten(SealedPart::Entries).on(self.day));
        }
        match self.first_difference() {
            None => Ok(self.entries.len()),
            Some((index, at)) => Err(LogFault::Entry {
                day: self.day,
                number: index + 1,
                at,
                fault: explain(
                    self.entries.get(index..).unwrap_or_default(),
                    self.leaves.get(index..).unwrap_or_default(),
                ),
            }),
        }
    }

    fn first_difference(&self) -> Option<(usize, Option<Time>)> {
        let is_shorter = self.entries.len() < self.leaves.len();
        self.differs
            .or_else(|| is_shorter.then_some((self.entries.len(), None)))
    }
}

/// The time that an entry states.
fn read_time(entry: &RawValue) -> Option<Time> {
    #[derive(Deserialize)]
    struct Stated {
        #[serde(with = "iso")]
        at: Time,
    }
    serde_json::from_str(entry.get()).ok().map(|Stated { at }| at)
}

/// Why the entries differ from the sealed leaves. Both begin at the first difference.
fn explain(entries: &[LogHash], leaves: &[LogHash]) -> EntryFault {
    let count = |of: &LogHash, all: &[LogHash]| all.iter().filter(|other| *other == of).count();
    let is_new = entries
        .first()
        .is_some_and(|first| count(first, entries) > count(first, leaves));
    let is_lost = leaves
        .first()
        .is_some_and(|first| count(first, leaves) > count(first, entries));
    match (is_new, is_lost) {
        (true, true) => EntryFault::Changed,
        (true, false) => EntryFault::Inserted,
        (false, true) => EntryFault::Dropped,
        (false, false) => EntryFault::Reordered,
    }
}
