//! Idempotency keys: a request that is sent again under the same key has its effect once and gets the same reply.
//!
//! The key is the caller's own (the header of draft-ietf-httpapi-idempotency-key-header). The first request under a key
//! takes a *lease* by a conditional write, does its work, and stores its reply over the lease. Whoever comes meanwhile
//! is told so; whoever comes later gets the stored reply. A process that dies leaves its lease behind, which runs out:
//! the next request takes it over, with the id that was minted for the first one, so that it can find what that one
//! made.
//!
//! The module knows keys, fingerprints, leases and replies. It does not know what is done under a key, who calls, over
//! which protocol, or where entries are kept: that is a [`Storage`] of one caller's entries, with one conditional
//! write. It reads no clock and makes no ids. Nothing in it but [`crate::domain::Time`] belongs to this project.
//!
//! | file | what |
//! |---|---|
//! | `key` | the header's value, and the hashes that stand for it and for the request |
//! | `entry` | what is kept under a key, and [`decide`]: what a request under it may do |
//! | `lease` | the order of reads and writes: [`begin`], then an end, [`Lease::keep`], `forget` or `give_up` |

mod entry;
mod key;
mod lease;

#[cfg(test)]
mod tests;

pub use entry::{Decision, Entry, Reply, Stamp, State, decide};
pub use key::{Fingerprint, IdempotencyKey, KeyError, KeyHash, KeyedHash};
pub use lease::{Begun, Call, Lease, Refusal, Storage, begin};
