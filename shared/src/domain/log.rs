//! The access log: who did what with a person's data, in a form that shows later changes.
//!
//! Each [`LogEntry`] is stored as a JSON text with its leaf hash. A seal covers one day of all persons: a Merkle tree
//! in three levels (a person's entries, the persons of a shard, the 16 shards), whose root is signed together with the
//! hash of the seal before. An export carries a person's entries with proofs, and [`export::LogVerifier`] checks it
//! with the public key alone. `docs/access-log.md` describes the format, and decision 0026 the tree.
//!
//! This module neither signs nor stores. It takes times, keys and seals as arguments.

mod access;
pub mod audit_event;
pub mod day;
pub mod entry;
pub mod export;
mod hour;
pub mod key;
pub mod proof;
#[cfg(test)]
pub(in crate::domain) mod sample;
pub mod seal;
pub mod shard_file;
pub mod touched;
pub mod tree;

pub use access::Access;
pub use day::{LogDay, blind, shard};
pub use entry::{Actor, LogEntry, leaf};
pub use key::SealPublicKey;
pub use tree::LogHash;

/// Shards of a day. Each person belongs to one.
pub const SHARDS: u8 = 16;
