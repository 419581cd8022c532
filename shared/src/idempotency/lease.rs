//! The order of reads and writes around the work under a key.

use std::time::Duration;

use uuid::Uuid;

use super::entry::{Decision, Entry, Reply, Stamp, State, decide};
use super::key::{Fingerprint, KeyHash};
use crate::domain::Time;

/// How often the lease is tried: once as if the key were new, and then with what stands there, which others may be
/// writing at the same moment.
const ATTEMPTS: u32 = 5;

/// Where the entries of one caller are kept. Reads see every write that was acknowledged before them.
pub trait Storage {
    /// Why it failed.
    type Error;

    /// The entry under a key.
    fn load(&self, key: &KeyHash) -> impl Future<Output = Result<Option<Entry>, Self::Error>> + Send;

    /// Puts an entry over the one with the stamp `read`, or where there is none if `read` is `None`; `false`, and
    /// nothing is written, if something else is there.
    fn replace(
        &self,
        key: &KeyHash,
        read: Option<&Stamp>,
        entry: &Entry,
    ) -> impl Future<Output = Result<bool, Self::Error>> + Send;
}

/// A request under a key.
#[derive(Debug, Clone)]
pub struct Call {
    /// The key.
    pub key: KeyHash,
    /// The request.
    pub fingerprint: Fingerprint,
    /// A new id: of this attempt, and of the thing to be made if the key is new.
    pub id: Uuid,
    /// Now.
    pub now: Time,
    /// How long the work may take. Longer than it can: nobody may be at work when the lease has run out.
    pub lease: Duration,
    /// How long the key is kept.
    pub kept: Duration,
}

/// What a request under a key begins with.
#[derive(Debug)]
pub enum Begun {
    /// The work is this caller's to do.
    Work(Lease),
    /// It was done; this was the answer.
    Replay(Reply),
    /// It is not to be done.
    Refused(Refusal),
}

/// Why a request under a key is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The key belongs to another request.
    Reused,
    /// Somebody is at work.
    InFlight,
    /// The answer is of no use any more.
    Spent,
}

/// The right to do the work. To be ended in one of three ways; one that is dropped runs out.
#[derive(Debug)]
pub struct Lease {
    call: Call,
    entry: Entry,
    resumed: bool,
}

/// Takes a lease if the work is to be done. Most keys are new, so it is taken as if this one were, and what is kept
/// under the key is read only where something is.
///
/// # Errors
/// When the storage fails. A lease may have been taken nonetheless; it runs out.
pub async fn begin<S: Storage>(storage: &S, call: Call) -> Result<Begun, S::Error> {
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
            // Counted from the newest lease: a key is not forgotten while somebody is at work under it.
            expires_at: call.now.plus(call.kept),
        };
        let read = stored.as_ref().map(|entry| &entry.stamp);
        if storage.replace(&call.key, read, &entry).await? {
            return Ok(Begun::Work(Lease { call, entry, resumed }));
        }
        stored = storage.load(&call.key).await?;
        if is_done(stored.as_ref(), &entry) {
            return Ok(Begun::Work(Lease { call, entry, resumed }));
        }
    }
    Ok(Begun::Refused(Refusal::InFlight))
}

impl Lease {
    /// The id of the thing to be made.
    #[must_use]
    pub const fn thing(&self) -> Uuid {
        self.entry.thing
    }

    /// Whether an earlier attempt may have made it already.
    #[must_use]
    pub const fn resumed(&self) -> bool {
        self.resumed
    }

    /// Ends with an answer that is given again for as long as the key is kept, but not from `useful_until` on. `false`
    /// if the lease was taken over: the answer that counts is somebody else's.
    ///
    /// # Errors
    /// When the storage fails. The lease then runs out, and the next request takes it over.
    pub async fn keep<S: Storage>(
        self,
        storage: &S,
        reply: Reply,
        useful_until: Option<Time>,
    ) -> Result<bool, S::Error> {
        let kept = self.entry.expires_at;
        let until = useful_until.map_or(kept, |until| until.min(kept));
        self.end(storage, State::Replied { reply, until }, kept).await
    }

    /// Ends as if the key had never been used, since the request certainly had no effect: the key is free, for a mended
    /// request, too. `false` if the lease was taken over.
    ///
    /// # Errors
    /// As [`Lease::keep`].
    pub async fn forget<S: Storage>(self, storage: &S) -> Result<bool, S::Error> {
        // An entry that reads as none, so that no right to delete is needed.
        let now = self.call.now;
        self.end(storage, State::Leased { until: now }, now).await
    }

    /// Ends without an answer, since the request failed and may have had an effect: the key still belongs to it, and
    /// the same request may take over at once, under the same id. `false` if the lease was taken over.
    ///
    /// # Errors
    /// As [`Lease::keep`].
    pub async fn give_up<S: Storage>(self, storage: &S) -> Result<bool, S::Error> {
        let (now, kept) = (self.call.now, self.entry.expires_at);
        self.end(storage, State::Leased { until: now }, kept).await
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
        write(storage, &call.key, Some(&Stamp::lease(call.id)), &ended).await
    }
}

async fn write<S: Storage>(storage: &S, key: &KeyHash, read: Option<&Stamp>, entry: &Entry) -> Result<bool, S::Error> {
    Ok(storage.replace(key, read, entry).await? || is_done(storage.load(key).await?.as_ref(), entry))
}

/// A write whose answer was lost on the way is sent again below us and then refused, for being there already. So a
/// refusal is looked at: if what is stored is this very write, it was done.
fn is_done(stored: Option<&Entry>, written: &Entry) -> bool {
    stored.is_some_and(|stored| stored.stamp == written.stamp)
}
