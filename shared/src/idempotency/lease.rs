//! The order of reads and writes around the work under a key.

use std::time::Duration;

use uuid::Uuid;

use super::entry::{Decision, Entry, Stamp, State, StoredReply, decide};
use super::key::{Fingerprint, KeyHash};
use crate::domain::Time;

/// Maximum number of attempts to take the lease. The first attempt assumes that the key is new; the others replace the
/// stored entry.
const ATTEMPTS: u32 = 5;

/// Holds the entries of one caller. A read sees every write that was acknowledged before it.
pub trait Storage {
    /// The error of a read or write.
    type Error;

    /// The entry under a key.
    fn load(&self, key: &KeyHash) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send;

    /// Stores `entry` over the entry whose stamp is `read`. If `read` is `None`, stores it only if no entry exists.
    /// Returns `false`, without a write, if another entry is stored.
    fn replace(
        &self,
        key: &KeyHash,
        read: Option<&Stamp>,
        entry: &Entry,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// A request under a key.
#[derive(Debug, Clone)]
pub struct KeyedRequest {
    /// The key.
    pub key: KeyHash,
    /// The request.
    pub fingerprint: Fingerprint,
    /// A new id, for this attempt and, if the key is new, for the thing to make.
    pub id: Uuid,
    /// The present time.
    pub now: Time,
    /// The length of the lease. It must exceed the longest time that the work can take, so that no request is still at
    /// work when its lease expires.
    pub lease: Duration,
    /// How long the key is kept.
    pub life: Duration,
}

/// How a request under a key begins.
#[derive(Debug)]
pub enum Begun {
    /// The caller of [`begin`] does the work.
    Work(Lease),
    /// The work was done before, with this reply.
    Replay(StoredReply),
    /// The request is refused.
    Refused(Refusal),
}

/// Why a request under a key is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key belongs to another request.
    Reused,
    /// Another request is at work.
    InFlight,
    /// The reply is no longer useful.
    Spent,
}

/// The right to do the work. [`Lease::keep`], [`Lease::forget`] or [`Lease::give_up`] ends it. If a lease is dropped
/// instead, it stays until it expires.
#[derive(Debug)]
pub struct Lease {
    call: KeyedRequest,
    entry: Entry,
    resumed: bool,
}

/// Takes a lease if the work is to be done. Most keys are new, so the first attempt writes without a read. The stored
/// entry is read only after the storage has refused the write.
///
/// # Errors
/// Fails if the storage fails. The lease may have been taken nevertheless; it then expires.
pub async fn begin<S: Storage>(storage: &S, call: KeyedRequest) -> Result<Begun, S::Error> {
    let mut stored: Option<Entry> = None;
    for _ in 0..ATTEMPTS {
        let (thing, resumed) = match decide(stored.as_ref(), &call.fingerprint, call.now) {
            Decision::Work => (call.id, false),
            Decision::TakeOver { thing } => (thing, true),
            Decision::Replay(reply) => return Ok(Begun::Replay(reply.clone())),
            Decision::Reused => return Ok(Begun::Refused(Refusal::Reused)),
            Decision::InFlight { .. } => return Ok(Begun::Refused(Refusal::InFlight)),
            Decision::Spent => return Ok(Begun::Refused(Refusal::Spent)),
        };
        let entry = Entry {
            stamp: Stamp::lease(call.id),
            fingerprint: call.fingerprint.clone(),
            thing,
            state: State::Leased {
                until: call.now.plus(call.lease),
            },
            // Counted from the newest lease, so that a key does not expire while a request is at work under it.
            expires_at: call.now.plus(call.life),
        };
        let read = stored.as_ref().map(|entry| &entry.stamp);
        // Written before the work, so that only one of several requests at the same moment does the work.
        if storage.replace(&call.key, read, &entry).await? {
            return Ok(Begun::Work(Lease { call, entry, resumed }));
        }
        // Either another entry is stored, or this write succeeded and its answer was lost.
        stored = storage.load(&call.key).await?;
        if is_done(stored.as_ref(), &entry) {
            return Ok(Begun::Work(Lease { call, entry, resumed }));
        }
    }
    // At every attempt, another request wrote first.
    Ok(Begun::Refused(Refusal::InFlight))
}

impl Lease {
    /// The id of the thing to make.
    #[must_use]
    pub const fn thing(&self) -> Uuid {
        self.entry.thing
    }

    /// Whether an earlier attempt may have made the thing already.
    #[must_use]
    pub const fn resumed(&self) -> bool {
        self.resumed
    }

    /// Ends the lease with a reply. Later requests get this reply until the key expires or `useful_until` has passed.
    /// Returns `false` if another request has taken the lease over; later requests then get the reply of that request.
    ///
    /// # Errors
    /// Fails if the storage fails. The lease then expires, and the next request takes it over.
    pub async fn keep<S: Storage>(
        self,
        storage: &S,
        reply: StoredReply,
        useful_until: Option<Time>,
    ) -> Result<bool, S::Error> {
        let expires_at = self.entry.expires_at;
        let until = useful_until.map_or(expires_at, |until| until.min(expires_at));
        self.end(storage, State::Replied { reply, until }, expires_at).await
    }

    /// Ends the lease as if the key had never been used. This is for a request that certainly had no effect: even a
    /// corrected request may then use the key. Returns `false` if the lease was taken over.
    ///
    /// # Errors
    /// Fails like [`Lease::keep`].
    pub async fn forget<S: Storage>(self, storage: &S) -> Result<bool, S::Error> {
        // Writes an expired entry instead of deleting the entry, so that the function needs no permission to delete.
        let now = self.call.now;
        self.end(storage, State::Leased { until: now }, now).await
    }

    /// Ends the lease without a reply. This is for a request that failed and may have had an effect. The key stays
    /// bound to this request; if it is sent again, it takes over at once, under the same id. Returns `false` if the
    /// lease was taken over.
    ///
    /// # Errors
    /// Fails like [`Lease::keep`].
    pub async fn give_up<S: Storage>(self, storage: &S) -> Result<bool, S::Error> {
        let (now, expires_at) = (self.call.now, self.entry.expires_at);
        self.end(storage, State::Leased { until: now }, expires_at).await
    }

    async fn end<S: Storage>(self, storage: &S, state: State, expires_at: Time) -> Result<bool, S::Error> {
        let Self {
            call, entry: leased, ..
        } = self;
        let ended = Entry {
            stamp: Stamp::end(call.id),
            state,
            expires_at,
            ..leased
        };
        // Replaces only this attempt's lease, so that nothing is written after a takeover.
        write(storage, &call.key, Some(&Stamp::lease(call.id)), &ended).await
    }
}

async fn write<S: Storage>(storage: &S, key: &KeyHash, read: Option<&Stamp>, entry: &Entry) -> Result<bool, S::Error> {
    Ok(storage.replace(key, read, entry).await? || is_done(storage.load(key).await?.as_ref(), entry))
}

/// Whether the stored entry is the one that was just written. If the answer to a write is lost, the storage's client
/// sends the write again. The storage refuses the second write, because the entry has a new stamp by then.
fn is_done(stored: Option<&Entry>, written: &Entry) -> bool {
    stored.is_some_and(|stored| stored.stamp == written.stamp)
}
