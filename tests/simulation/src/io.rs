//! A function's operations on the world, one at a time.
//!
//! A function's steps are `async fn` over their ports, which [`Io`] implements (`ports`). Each operation suspends the
//! function until the world has performed it. Anything can happen between two operations, even a crash. A suspended
//! function is not stored; only the replies that it has got so far are ([`Task::log`](crate::task::Task)). The function
//! runs again over these replies, and comes to the same operation. So the whole world is plain data that can be copied,
//! compared and hashed.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use shared::domain::budget::{Allowance, PersonAsk, Turn};
use shared::domain::erasure::BucketEntry;
use shared::domain::{OwnerId, Time, Timing};
use shared::message::webhook::WebhookEvent;
use shared::message::{AccountWork, Advance, FetchRecord, Link};
use shared::metriport::UpstreamError;
use shared::queue::QueueError;
use shared::store::{StoreError, UnfinishedErasure};

use crate::Sabotage;
use crate::functions::Job;
use crate::store::{Effect, Item, Key, Listing, Place, Write};
use crate::upstream::{Answer, Call, Content};

#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub(crate) enum Body {
    Advance(Advance),
    Fetch(FetchRecord),
    Webhook(Box<WebhookEvent>),
    AccountWork(AccountWork),
}

#[derive(Debug, Clone)]
pub(crate) enum Op {
    Get(Key),
    List(Listing),
    Commit(Vec<Write>),
    Overdue(Time),
    /// Lists the unfinished erasures.
    Erasures,
    /// Lists the keys of a person's items that an erasure deletes.
    Keys(OwnerId, Place),
    Send(Body, Duration),
    Upstream(Call),
    /// Follows a link, and stores its file under this key of the bucket.
    Transfer(Link, String),
    /// Lists the entries of the bucket whose keys begin with this text.
    Entries(String),
    /// Deletes an entry of the bucket.
    EraseEntry(BucketEntry),
    Turn(Start),
    Share(ShareRequest),
    /// Makes a link to an object of the bucket.
    Mint(String),
}

/// A start that asks the rate budget for its turn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Start {
    pub(crate) now: Time,
    /// The latest time for the start, if there is one.
    pub(crate) by: Option<Time>,
}

/// A request for a part of a person's share, and for a place of the rate budget if the request needs one.
#[derive(Debug, Clone)]
pub(crate) struct ShareRequest {
    pub(crate) owner: OwnerId,
    pub(crate) ask: PersonAsk,
    pub(crate) now: Time,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum ShareAnswer {
    /// The share, and a place if needed, are taken.
    Taken(Allowance),
    /// The share is used up until that time.
    Beyond(Time),
    /// Other persons have the places, or the day is over, until that time.
    Busy(Time),
}

#[derive(Debug, Clone)]
pub(crate) enum Reply {
    Item(Result<Option<Arc<Item>>, StoreError>),
    Listed(Result<Vec<Arc<Item>>, StoreError>),
    Committed(Result<(), StoreError>),
    Overdue(Vec<Advance>),
    Erasures(Vec<UnfinishedErasure>),
    Keys(Result<Vec<Key>, StoreError>),
    Sent(Result<(), QueueError>),
    Upstream(Box<Result<Answer, UpstreamError>>),
    Transferred(Option<Content>),
    /// The entries; `None` if the bucket fails.
    Entries(Option<Vec<BucketEntry>>),
    /// Whether the bucket has deleted the entry.
    Erased(bool),
    Turned(Result<Turn, StoreError>),
    Shared(Result<ShareAnswer, StoreError>),
    Minted,
    Now(Time),
}

pub(crate) struct Io {
    state: Mutex<State>,
    clock: Time,
    pub(crate) timing: Timing,
    sabotage: Option<Sabotage>,
}

struct State {
    log: Vec<Reply>,
    at: usize,
    pending: Option<Op>,
    /// The message's `dueSeq`, which a sabotaged read returns in place of the stored one.
    due_seq: Option<u64>,
    /// The keys of the items that were listed last for an erasure.
    listed: Vec<Key>,
}

type Stored<T> = Result<T, StoreError>;

impl Io {
    /// Makes the ports of a function that is invoked for `job`, over its replies so far.
    pub(crate) fn new(job: &Job, log: Vec<Reply>, clock: Time, timing: Timing, sabotage: Option<Sabotage>) -> Self {
        let state = State {
            log,
            at: 0,
            pending: None,
            due_seq: job.due_seq().filter(|_| sabotage == Some(Sabotage::ClaimWithoutDueSeq)),
            listed: Vec::new(),
        };
        Self {
            state: Mutex::new(state),
            clock,
            timing,
            sabotage,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The message's `dueSeq`, with which [`Sabotage::ClaimWithoutDueSeq`] replaces the stored one at the first read.
    pub(crate) fn sabotaged_due_seq(&self) -> Option<u64> {
        self.state().due_seq.take()
    }

    /// Keeps the keys of the items that were listed for an erasure.
    pub(crate) fn keep_listed(&self, keys: Vec<Key>) {
        self.state().listed = keys;
    }

    pub(crate) fn listed_keys(&self) -> Vec<Key> {
        self.state().listed.clone()
    }

    pub(crate) fn pending(&self) -> Option<Op> {
        self.state().pending.take()
    }

    pub(crate) fn into_log(self) -> Vec<Reply> {
        self.state.into_inner().unwrap_or_else(PoisonError::into_inner).log
    }

    /// Waits for an operation. The world performs concurrent operations one after the other.
    pub(crate) async fn call(&self, op: Op) -> Reply {
        let mut op = Some(op);
        poll_fn(move |_| {
            let mut state = self.state();
            let at = state.at;
            if let Some(reply) = state.log.get(at).cloned() {
                state.at += 1;
                return Poll::Ready(reply);
            }
            if state.pending.is_none() {
                state.pending = op.take();
            }
            Poll::Pending
        })
        .await
    }

    pub(crate) fn is(&self, sabotage: Sabotage) -> bool {
        self.sabotage == Some(sabotage)
    }

    /// The clock of the function's machine. Reading it does not suspend the function, and a rerun over the log reads
    /// the same time.
    pub(crate) fn look_at_clock(&self) -> Time {
        let mut state = self.state();
        let at = state.at;
        state.at += 1;
        match state.log.get(at) {
            Some(Reply::Now(now)) => *now,
            Some(other) => unreachable!("{other:?}"),
            None => {
                state.log.push(Reply::Now(self.clock));
                self.clock
            }
        }
    }

    pub(crate) async fn get(&self, key: Key) -> Stored<Option<Arc<Item>>> {
        match self.call(Op::Get(key)).await {
            Reply::Item(item) => item,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn list(&self, listing: Listing) -> Stored<Vec<Arc<Item>>> {
        match self.call(Op::List(listing)).await {
            Reply::Listed(items) => items,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn commit(&self, writes: Vec<Write>) -> Stored<()> {
        match self.call(Op::Commit(writes)).await {
            Reply::Committed(outcome) => outcome,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn send(&self, body: Body, delay: Duration) -> Result<(), QueueError> {
        match self.call(Op::Send(body, delay)).await {
            Reply::Sent(outcome) => outcome,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn upstream(&self, call: Call) -> Result<Answer, UpstreamError> {
        match self.call(Op::Upstream(call)).await {
            Reply::Upstream(answer) => *answer,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn turn(&self, start: Start) -> Result<Turn, StoreError> {
        match self.call(Op::Turn(start)).await {
            Reply::Turned(turn) => turn,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn share_of(&self, share: ShareRequest) -> Result<ShareAnswer, StoreError> {
        match self.call(Op::Share(share)).await {
            Reply::Shared(shared) => shared,
            other => unreachable!("{other:?}"),
        }
    }

    /// Transfers a link's file into the bucket; `None` if the link is dead or the transfer breaks off.
    pub(crate) async fn transfer(&self, link: &Link, key: String) -> Option<Content> {
        match self.call(Op::Transfer(link.clone(), key)).await {
            Reply::Transferred(content) => content,
            other => unreachable!("{other:?}"),
        }
    }

    pub(crate) async fn keys(&self, owner: &OwnerId, place: Place) -> Stored<Vec<Key>> {
        match self.call(Op::Keys(owner.clone(), place)).await {
            Reply::Keys(keys) => keys,
            other => unreachable!("{other:?}"),
        }
    }

    /// Entries of the bucket whose keys begin with `prefix`; `None` if the bucket fails.
    pub(crate) async fn entries(&self, prefix: &str) -> Option<Vec<BucketEntry>> {
        match self.call(Op::Entries(prefix.to_owned())).await {
            Reply::Entries(entries) => entries,
            other => unreachable!("{other:?}"),
        }
    }
}

/// The item that an effect puts, if the effect is a put.
pub(crate) const fn put_of(effect: &Effect) -> Option<&Arc<Item>> {
    match effect {
        Effect::Put(item) => Some(item),
        Effect::Delete | Effect::Check | Effect::Log(_) => None,
    }
}
