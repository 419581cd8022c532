//! Idempotency keys: a request that is sent again under the same key has its effect once and gets the same reply.
//!
//! The caller chooses the key (the header of draft-ietf-httpapi-idempotency-key-header). The first request takes a
//! *lease* by a conditional write, does its work, and stores its reply over the lease. Requests during the work are
//! refused; later ones get the stored reply. If a process dies, its lease expires, and the next request takes the lease
//! over. The next request gets the id that was minted for the first one, so that it can find the thing that the first
//! one made.
//!
//! The module knows keys, fingerprints, leases and replies. It does not know the work, the caller, the protocol or the
//! storage: a [`Storage`] holds one caller's entries and offers one conditional write. It reads no clock and makes no
//! ids. Except for [`crate::domain::Time`], nothing in it belongs to this project.
//!
//! | file | what |
//! |---|---|
//! | `key` | the header's value, and the hashes of the key and of the request |
//! | `entry` | the entry under a key, and [`decide`]: what a request under it may do |
//! | `lease` | the order of reads and writes: [`begin`], then one of [`Lease::keep`], `forget` and `give_up` |

mod entry;
mod key;
mod lease;

#[cfg(test)]
mod tests;

pub use entry::{Decision, Entry, Stamp, State, StoredReply, decide};
pub use key::{Fingerprint, IdempotencyKey, KeyError, KeyHash, KeyedHash};
pub use lease::{Begun, KeyedRequest, Lease, Refusal, Storage, begin};
