//! Proofs that lead from a person's entries of one day to the signed root.

use serde::{Deserialize, Serialize};

use super::seal::{SignedSeal, hash_entries, hash_person_day, hash_shard};
use super::tree::climb;
use super::{LogHash, SHARDS};

/// All proofs of a person's day, from the seal down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DayProof {
    /// The seal of the day.
    pub seal: SignedSeal,
    /// The person's shard in the tree of the day.
    pub shard: ShardProof,
    /// The person in the shard.
    pub person: PersonProof,
}

/// A shard of a day, with its path to the root of the day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShardProof {
    /// Persons with entries.
    pub persons: u64,
    /// Root over the persons' days.
    pub root: LogHash,
    /// The path.
    pub path: Vec<LogHash>,
}

impl ShardProof {
    /// The root of the day to which the path leads from this shard.
    #[must_use]
    pub fn root_of_day(&self, shard: u8) -> Option<LogHash> {
        let leaf = hash_shard(shard, self.persons, self.root);
        climb(leaf, u64::from(shard), u64::from(SHARDS), &self.path)
    }

    fn holds(&self, leaf: LogHash, index: u64, path: &[LogHash]) -> bool {
        climb(leaf, index, self.persons, path) == Some(self.root)
    }
}

/// The proof of a person's entries of one day, or of the absence of any.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PersonProof {
    /// The person has entries.
    Present {
        /// Number of the person's leaf in the shard, from 0.
        index: u64,
        /// The leaf's path to the root of the shard.
        path: Vec<LogHash>,
        /// How many entries there are.
        count: u64,
    },
    /// The person has no entries: the leaves between which the person's leaf would be are next to each other. A side
    /// without a leaf is the end of the shard.
    Absent {
        /// The last leaf before.
        left: Option<Neighbour>,
        /// The first leaf after.
        right: Option<Neighbour>,
    },
}

/// The leaf of another person's day, in a proof of absence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    /// Number of the leaf in the shard, from 0.
    pub index: u64,
    /// The leaf's path to the root of the shard.
    pub path: Vec<LogHash>,
    /// The person's blind.
    pub blind: LogHash,
    /// The hash of the person's entries.
    pub entries: LogHash,
}

impl PersonProof {
    /// How many entries the proof is about.
    #[must_use]
    pub const fn count(&self) -> u64 {
        match self {
            Self::Present { count, .. } => *count,
            Self::Absent { .. } => 0,
        }
    }

    /// Whether the shard holds exactly these leaves for the person with this blind.
    #[must_use]
    pub fn proves(&self, shard: &ShardProof, blind: LogHash, leaves: &[LogHash]) -> bool {
        match self {
            Self::Present { index, path, count } => {
                let leaf = hash_person_day(blind, hash_entries(leaves));
                u64::try_from(leaves.len()) == Ok(*count) && shard.holds(leaf, *index, path)
            }
            Self::Absent { left, right } => leaves.is_empty() && is_absent(shard, blind, left.as_ref(), right.as_ref()),
        }
    }
}

fn is_absent(shard: &ShardProof, blind: LogHash, left: Option<&Neighbour>, right: Option<&Neighbour>) -> bool {
    let mut neighbours = [left, right].into_iter().flatten();
    let are_held = neighbours.all(|of| shard.holds(hash_person_day(of.blind, of.entries), of.index, &of.path));
    let are_apart = left.is_none_or(|left| left.blind < blind) && right.is_none_or(|right| blind < right.blind);
    let after_left = left.map_or(Some(0), |left| left.index.checked_add(1));
    let next = right.map_or(shard.persons, |right| right.index);
    are_held && are_apart && after_left == Some(next)
}

#[cfg(test)]
mod tests;
