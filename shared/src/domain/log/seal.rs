//! The seal of a day: the tree over all persons' entries, and the statement that is signed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::proof::{Neighbour, PersonProof, ShardProof};
use super::tree::{hash_leaf, path, root};
use super::{LogDay, LogHash, SHARDS, SealPublicKey, blind};
use crate::domain::time::iso;
use crate::domain::{OwnerId, Time};

/// The kind of a statement. It separates seals from other texts that the same key may sign.
const KIND: &str = "ias-seal-v1";

/// A person's day, which is one leaf of a shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonDay {
    /// The person's name in this day's tree ([`blind`]).
    pub blind: LogHash,
    /// The hash of the entries' number and root ([`hash_entries`]).
    pub entries: LogHash,
    /// How many entries there are.
    pub count: u64,
}

impl PersonDay {
    fn new(owner: &OwnerId, day: LogDay, leaves: &[LogHash]) -> Self {
        Self {
            blind: blind(owner, day),
            entries: hash_entries(leaves),
            count: count(leaves),
        }
    }

    fn leaf(&self) -> LogHash {
        hash_person_day(self.blind, self.entries)
    }
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

/// The hash of the number and the root of a person's entries, given their leaves in order. In a proof of absence, it
/// hides from one person how many entries another person has.
#[must_use]
pub fn hash_entries(leaves: &[LogHash]) -> LogHash {
    let count = count(leaves).to_be_bytes();
    LogHash::of(&[b"ias-entries-v1\n", &count, root(leaves).as_bytes()])
}

/// The leaf of a person's day.
#[must_use]
pub fn hash_person_day(blind: LogHash, entries: LogHash) -> LogHash {
    hash_leaf(&[b"ias-person-day-v1\n", blind.as_bytes(), entries.as_bytes()])
}

/// The leaf of a shard.
#[must_use]
pub fn hash_shard(shard: u8, persons: u64, root: LogHash) -> LogHash {
    hash_leaf(&[b"ias-shard-v1\n", &[shard], &persons.to_be_bytes(), root.as_bytes()])
}

/// The leaves of one shard's entries on one day, by person.
#[derive(Debug, Default)]
pub struct ShardEntries(BTreeMap<OwnerId, Vec<LogHash>>);

impl ShardEntries {
    /// Adds the leaf of an entry. The entries of a person must come in the order of their sort keys; those of
    /// different persons may come in any order.
    pub fn add(&mut self, owner: OwnerId, leaf: LogHash) {
        self.0.entry(owner).or_default().push(leaf);
    }

    /// The sealed shard.
    #[must_use]
    pub fn seal(&self, day: LogDay) -> SealedShard {
        let persons = self.persons(day).into_iter();
        SealedShard {
            persons: persons.map(|(person, _)| person).collect(),
        }
    }

    /// The persons, ordered by blind, with the leaves of their entries.
    pub(super) fn persons(&self, day: LogDay) -> Vec<(PersonDay, &[LogHash])> {
        let persons = self.0.iter();
        let mut persons: Vec<_> = persons
            .map(|(owner, leaves)| (PersonDay::new(owner, day, leaves), leaves.as_slice()))
            .collect();
        persons.sort_unstable_by_key(|(person, _)| person.blind);
        persons
    }
}

/// One shard of a sealed day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SealedShard {
    /// The persons with entries, ordered by blind.
    pub(super) persons: Vec<PersonDay>,
}

impl SealedShard {
    /// Numbers and root of the shard.
    #[must_use]
    pub fn summary(&self) -> ShardSummary {
        ShardSummary {
            persons: count(&self.persons),
            entries: self.persons.iter().map(|person| person.count).sum(),
            root: root(&self.leaves()),
        }
    }

    /// The proof of the person's entries, or of the absence of any.
    #[must_use]
    pub fn prove(&self, owner: &OwnerId, day: LogDay) -> PersonProof {
        let (blind, leaves) = (blind(owner, day), self.leaves());
        let neighbour = |index: usize| self.neighbour(&leaves, index);
        match self.persons.binary_search_by_key(&blind, |person| person.blind) {
            Ok(index) => PersonProof::Present {
                index: count(self.persons.get(..index).unwrap_or_default()),
                path: path(&leaves, index),
                count: self.persons.get(index).map_or(0, |person| person.count),
            },
            Err(next) => PersonProof::Absent {
                left: next.checked_sub(1).and_then(neighbour),
                right: neighbour(next),
            },
        }
    }

    fn neighbour(&self, leaves: &[LogHash], index: usize) -> Option<Neighbour> {
        let person = self.persons.get(index)?;
        Some(Neighbour {
            index: u64::try_from(index).ok()?,
            path: path(leaves, index),
            blind: person.blind,
            entries: person.entries,
        })
    }

    fn leaves(&self) -> Vec<LogHash> {
        self.persons.iter().map(PersonDay::leaf).collect()
    }
}

/// Numbers and root of a sealed shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardSummary {
    /// Persons with entries.
    pub persons: u64,
    /// Entries of all persons.
    pub entries: u64,
    /// Root over the persons' days.
    pub root: LogHash,
}

/// The 16 shards of a day.
pub type DayShards = [ShardSummary; SHARDS as usize];

fn leaves_of_shards(shards: &DayShards) -> Vec<LogHash> {
    let numbered = (0..SHARDS).zip(shards);
    numbered
        .map(|(number, shard)| hash_shard(number, shard.persons, shard.root))
        .collect()
}

/// The proof of one shard; `None` if there is no such shard.
#[must_use]
pub fn prove_shard(shards: &DayShards, shard: u8) -> Option<ShardProof> {
    let summary = shards.get(usize::from(shard))?;
    Some(ShardProof {
        persons: summary.persons,
        root: summary.root,
        path: path(&leaves_of_shards(shards), usize::from(shard)),
    })
}

/// The day of a seal and the hash of its statement. Each statement has the hash of the seal before, so equal hashes
/// mean equal histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealHash {
    /// The day.
    pub day: LogDay,
    /// SHA-256 hash of the statement's text.
    pub sha256: LogHash,
}

impl SealHash {
    /// The hash of the seal of this day with this statement.
    #[must_use]
    pub fn new(day: LogDay, statement: &str) -> Self {
        Self {
            day,
            sha256: LogHash::of(&[statement.as_bytes()]),
        }
    }
}

/// The claim about a day that is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SealStatement {
    kind: String,
    /// Name of the stack.
    pub stack: String,
    /// The day.
    pub day: LogDay,
    /// Entries of all persons.
    pub entries: u64,
    /// Persons with entries.
    pub persons: u64,
    /// Root over the 16 shards.
    pub root: LogHash,
    /// The seal of the day before; `None` in the first seal of a stack.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<SealHash>,
    /// When it was made.
    #[serde(with = "iso")]
    pub sealed_at: Time,
    /// [`SealPublicKey::fingerprint`] of the key that signs.
    pub key: LogHash,
}

/// The parts of a statement that do not follow from the entries.
#[derive(Debug, Clone)]
pub struct SealContext<'a> {
    /// Name of the stack.
    pub stack: &'a str,
    /// The seal of the day before.
    pub previous: Option<SealHash>,
    /// The key that will sign.
    pub key: &'a SealPublicKey,
}

/// The statement about a day.
#[must_use]
pub fn seal_day(day: LogDay, shards: &DayShards, context: &SealContext<'_>, now: Time) -> SealStatement {
    SealStatement {
        kind: KIND.to_owned(),
        stack: context.stack.to_owned(),
        day,
        entries: shards.iter().map(|shard| shard.entries).sum(),
        persons: shards.iter().map(|shard| shard.persons).sum(),
        root: root(&leaves_of_shards(shards)),
        previous: context.previous,
        sealed_at: now,
        key: context.key.fingerprint(),
    }
}

impl SealStatement {
    /// The statement as compact JSON. This text is signed and stored, and never made again.
    #[must_use]
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads the text of a statement; `None` if it is another text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|read: &Self| read.kind == KIND)
    }
}

/// A statement with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedSeal {
    /// The text of the statement.
    pub statement: String,
    /// ECDSA signature of that text, in DER and base64.
    pub signature: String,
}

/// The stored seal of a day: the signed statement, and the shards to which its root leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredSeal {
    /// The statement with its signature.
    pub seal: SignedSeal,
    /// The 16 shards.
    pub shards: DayShards,
}

#[cfg(test)]
mod tests;
