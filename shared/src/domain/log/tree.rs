//! Merkle trees with SHA-256, as RFC 6962 defines them in section 2.1: hashes of leaves and of inner nodes begin with
//! different bytes, and the left subtree is the largest complete one.
//!
//! This module knows hashes only. The data of a leaf begins with a tag that names its level, so that a leaf of one
//! level never equals a leaf of another.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::ids::IdError;

/// A SHA-256 hash, written as 64 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LogHash([u8; 32]);

impl LogHash {
    /// The hash of the concatenated parts.
    #[must_use]
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hasher = Sha256::new();
        parts.iter().for_each(|part| hasher.update(part));
        Self(hasher.finalize().into())
    }

    /// The hash with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl TryFrom<String> for LogHash {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        let mut bytes = [0; 32];
        match hex::decode_to_slice(text, &mut bytes) {
            Ok(()) => Ok(Self(bytes)),
            Err(_not_64_hex_digits) => Err(IdError("hash of 64 hex digits")),
        }
    }
}

impl From<LogHash> for String {
    fn from(hash: LogHash) -> Self {
        hash.to_string()
    }
}

impl fmt::Display for LogHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for LogHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The hash of a leaf with this data, given in parts.
#[must_use]
pub fn hash_leaf(data: &[&[u8]]) -> LogHash {
    LogHash::of(&[&[&[0x00_u8] as &[u8]], data].concat())
}

fn hash_node(left: LogHash, right: LogHash) -> LogHash {
    LogHash::of(&[&[0x01], &left.0, &right.0])
}

/// The root of a tree of these leaves (`MTH` in the RFC).
#[must_use]
pub fn root(leaves: &[LogHash]) -> LogHash {
    match (leaves, split(leaves)) {
        (_, Some((left, right))) => hash_node(root(left), root(right)),
        ([leaf], None) => *leaf,
        (_, None) => LogHash::of(&[]),
    }
}

/// The hashes that lead from leaf number `index` (from 0) to the root, the lowest first (`PATH` in the RFC).
#[must_use]
pub fn path(leaves: &[LogHash], index: usize) -> Vec<LogHash> {
    let Some((left, right)) = split(leaves) else {
        return Vec::new();
    };
    let (mut path, sibling) = match index.checked_sub(left.len()) {
        None => (path(left, index), right),
        Some(index) => (path(right, index), left),
    };
    path.push(root(sibling));
    path
}

/// The root to which `path` leads from leaf number `index` of a tree with `size` leaves. `None` if the tree has no such
/// leaf, or the path has another length. The recursion ends after 64 levels, however long the path is.
#[must_use]
pub fn climb(leaf: LogHash, index: u64, size: u64, path: &[LogHash]) -> Option<LogHash> {
    let Some((sibling, below)) = path.split_last() else {
        return (index == 0 && size == 1).then_some(leaf);
    };
    let left = size_of_left(size)?;
    match index.checked_sub(left) {
        None => Some(hash_node(climb(leaf, index, left, below)?, *sibling)),
        Some(index) => Some(hash_node(*sibling, climb(leaf, index, size - left, below)?)),
    }
}

/// The leaves of the left and of the right subtree; `None` for fewer than two leaves.
fn split(leaves: &[LogHash]) -> Option<(&[LogHash], &[LogHash])> {
    let left = size_of_left(u64::try_from(leaves.len()).ok()?)?;
    leaves.split_at_checked(usize::try_from(left).ok()?)
}

/// The largest power of two below `size`; `None` for a tree of fewer than two leaves.
fn size_of_left(size: u64) -> Option<u64> {
    let last = size.checked_sub(1)?;
    last.checked_ilog2().map(|exponent| 1 << exponent)
}

#[cfg(test)]
mod tests;
