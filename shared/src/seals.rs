//! The seals of the access log: the locked bucket that stores them, and the key that signs them.
//!
//! The bucket has one object for each sealed day, `seals/DAY.json`, and one for each shard with entries,
//! `shards/DAY/SHARD-ROOT` ([`crate::domain::log::shard_file`]). No object is ever replaced: each put requires that its
//! key is new. The names of a shard's files contain its root, so a repeated attempt after a late entry has another key.

mod bucket;
#[cfg(feature = "kms")]
mod key;

pub use bucket::{PutSeals, ReadSeals, ReadShards, SealBucket, find_last_sealed};
#[cfg(feature = "kms")]
pub use key::{SealKey, SignSeal};

/// An error of the seals. It holds codes, but nothing of a seal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SealsError {
    /// The bucket refused.
    #[error("seals: the bucket: {0}")]
    Bucket(String),
    /// The bucket throttled, failed, or did not answer.
    #[error("seals: the bucket is unavailable: {0}")]
    Unavailable(String),
    /// The signing key failed or refused.
    #[error("seals: the key: {0}")]
    Key(String),
    /// A stored object is missing, or is not the one that was stored.
    #[error("seals: unreadable {0}")]
    Unreadable(&'static str),
}
