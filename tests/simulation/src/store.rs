//! The table: items under keys. A transaction writes either all its items or nothing. Each write has a condition.
//!
//! Reads are strongly consistent, like the functions' reads. The due index is always current here. In AWS, the index
//! can lag. Then `reconcile` finds work later, or sends a message with an old `dueSeq`, which is stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use shared::domain::budget::PersonShares;
use shared::domain::challenge::ChallengeSlot;
use shared::domain::erasure::{Erasure, ErasureId};
use shared::domain::identity::Identity;
use shared::domain::log::Access;
use shared::domain::patient::PatientSlot;
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::pull::{Pull, TimelineEntry};
use shared::domain::record::{OpenRecords, Record};
use shared::domain::replay::Replays;
use shared::domain::retention::RetentionCheck;
use shared::domain::{
    Aal2SessionHash, IdentitySessionId, MessageId, OwnerId, PatientId, PullId, RecordId, Time, UpstreamRequestId,
};
use shared::message::{Advance, Subject};
use shared::store::{Condition, SeenMessage};

use crate::Sabotage;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) enum Key {
    Root(OwnerId),
    Patient(OwnerId),
    Identity(OwnerId),
    Challenge(OwnerId),
    Pull(OwnerId, PullId),
    Entry(OwnerId, PullId, u64),
    Record(OwnerId, RecordId),
    OpenRecords(OwnerId),
    Retention(OwnerId),
    Shares(OwnerId),
    PatientOwner(PatientId),
    OpenPull(PatientId),
    OpenConsolidated(PatientId),
    Session(IdentitySessionId),
    Mark(String),
    Request(UpstreamRequestId),
    Used(Aal2SessionHash),
    Seen(MessageId),
    Replays,
    Erasure(ErasureId),
    /// A person's access log. The rules look at its entries when they are written; it is not stored.
    Log(OwnerId),
}

impl Key {
    /// The person whose item the key names, if it names one.
    pub(crate) const fn owner(&self) -> Option<&OwnerId> {
        match self {
            Self::Root(owner)
            | Self::Patient(owner)
            | Self::Identity(owner)
            | Self::Challenge(owner)
            | Self::Pull(owner, _)
            | Self::Entry(owner, ..)
            | Self::Record(owner, _)
            | Self::OpenRecords(owner)
            | Self::Retention(owner)
            | Self::Shares(owner)
            | Self::Log(owner) => Some(owner),
            Self::PatientOwner(_)
            | Self::OpenPull(_)
            | Self::OpenConsolidated(_)
            | Self::Session(_)
            | Self::Mark(_)
            | Self::Request(_)
            | Self::Used(_)
            | Self::Seen(_)
            | Self::Replays
            | Self::Erasure(_) => None,
        }
    }

    /// Whether an erasure leaves the item. The root keeps its numbers, and the shares keep what the person has used.
    const fn stays(&self) -> bool {
        matches!(self, Self::Root(_) | Self::Shares(_) | Self::Log(_))
    }
}

/// Maximum number of items that an erasure deletes at once. The real transaction deletes more, so that fewer operations
/// happen in between.
pub(crate) const ERASED_MAX: usize = 8;

/// The two places of a person's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The person's partition.
    Partition,
    /// Rows outside the partition that name the person.
    Rows,
}

/// Items of a person that one query reads.
#[derive(Debug, Clone)]
pub(crate) enum Listing {
    Pulls(OwnerId),
    Records(OwnerId),
    Timeline(OwnerId, PullId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Lock {
    pub(crate) owner: OwnerId,
    pub(crate) holder: Subject,
    pub(crate) deadline: Time,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) enum Item {
    Root(PersonRoot),
    Patient(PatientSlot),
    Identity(Identity),
    Challenge(ChallengeSlot),
    Pull(Pull),
    Entry(TimelineEntry),
    Record(Record),
    OpenRecords(OpenRecords),
    Retention(RetentionCheck),
    Shares(PersonShares),
    Owner(OwnerId),
    Claim(OwnerId, Time),
    Lock(Lock),
    Request(OwnerId, Subject),
    Used(OwnerId, PullId),
    Seen(SeenMessage),
    Replays(Replays),
    Erasure(Erasure),
}

macro_rules! typed {
    ($($name:ident -> $kind:ident: $inner:ty;)*) => {
        impl Item {
            $(pub(crate) fn $name(&self) -> Option<&$inner> {
                match self { Self::$kind(inner) => Some(inner), _ => None }
            })*
        }
    };
}

typed! {
    root -> Root: PersonRoot;
    patient -> Patient: PatientSlot;
    identity -> Identity: Identity;
    challenge -> Challenge: ChallengeSlot;
    pull -> Pull: Pull;
    entry -> Entry: TimelineEntry;
    record -> Record: Record;
    open_records -> OpenRecords: OpenRecords;
    shares -> Shares: PersonShares;
    owner -> Owner: OwnerId;
    lock -> Lock: Lock;
    seen_message -> Seen: SeenMessage;
    replays -> Replays: Replays;
    erasure -> Erasure: Erasure;
}

impl Item {
    /// The version that a write must name, if the item has one.
    pub(crate) const fn version(&self) -> Option<u64> {
        match self {
            Self::Root(root) => Some(root.version),
            Self::Patient(slot) => Some(slot.version),
            Self::Identity(identity) => Some(identity.version),
            Self::Challenge(slot) => Some(slot.version),
            Self::Pull(pull) => Some(pull.version),
            Self::Record(record) => Some(record.version),
            Self::OpenRecords(open) => Some(open.version),
            Self::Retention(check) => Some(check.version),
            Self::Shares(shares) => Some(shares.version),
            Self::Replays(replays) => Some(replays.version),
            Self::Erasure(job) => Some(job.version),
            Self::Entry(_)
            | Self::Owner(_)
            | Self::Claim(..)
            | Self::Lock(_)
            | Self::Request(..)
            | Self::Used(..)
            | Self::Seen(_) => None,
        }
    }

    /// The person whom a row outside the persons' partitions names.
    pub(crate) const fn row_owner(&self) -> Option<&OwnerId> {
        match self {
            Self::Owner(owner) | Self::Claim(owner, _) | Self::Request(owner, _) | Self::Used(owner, _) => Some(owner),
            Self::Lock(lock) => Some(&lock.owner),
            _ => None,
        }
    }
}

/// The condition on the stored item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Require {
    /// The item is absent.
    Nothing,
    /// The item has this version; 0 means absent.
    Version(u64),
    /// The item is absent, or a lock whose deadline has passed.
    NothingAlive(Time),
    /// The item is absent, or belongs to this person, or is a claim whose deadline has passed.
    NobodyElses(OwnerId, Time),
    /// The item is a lock of this holder.
    Holder(Subject),
    /// The item is a root whose grant holds, or absent if this is the first grant.
    Grant(Grant),
    /// The item is present.
    Present,
    /// The item is a row that names this person.
    Names(OwnerId),
    /// Any state.
    Anything,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Effect {
    Put(Arc<Item>),
    Delete,
    Check,
    /// An entry of the access log.
    Log(Access),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Write {
    pub(crate) condition: Condition,
    pub(crate) key: Key,
    pub(crate) require: Require,
    pub(crate) effect: Effect,
}

impl Write {
    pub(crate) fn put(condition: Condition, require: Require, key: Key, item: Item) -> Self {
        Self {
            condition,
            key,
            require,
            effect: Effect::Put(Arc::new(item)),
        }
    }

    pub(crate) const fn check(condition: Condition, require: Require, key: Key) -> Self {
        Self {
            condition,
            key,
            require,
            effect: Effect::Check,
        }
    }

    pub(crate) fn log(owner: &OwnerId, what: Access) -> Self {
        Self {
            condition: Condition::EntryNew,
            key: Key::Log(owner.clone()),
            require: Require::Anything,
            effect: Effect::Log(what),
        }
    }

    pub(crate) const fn release(key: Key, holder: Subject) -> Self {
        Self {
            condition: Condition::LockOurs,
            key,
            require: Require::Holder(holder),
            effect: Effect::Delete,
        }
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Store {
    items: BTreeMap<Key, Arc<Item>>,
}

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Item>> {
        self.items.get(key)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Key, &Item)> {
        self.items.iter().map(|(key, item)| (key, item.as_ref()))
    }

    /// The person's root; an empty one if nothing is stored.
    pub(crate) fn root(&self, owner: &OwnerId) -> PersonRoot {
        let item = self.get(&Key::Root(owner.clone()));
        item.and_then(|item| item.root().cloned()).unwrap_or_default()
    }

    /// All pulls or all records of a person, newest first.
    pub(crate) fn list(&self, listing: &Listing) -> Vec<Arc<Item>> {
        let is_listed = |key: &Key| match (listing, key) {
            (Listing::Pulls(owner), Key::Pull(of, _)) | (Listing::Records(owner), Key::Record(of, _)) => of == owner,
            (Listing::Timeline(owner, pull), Key::Entry(of, of_pull, _)) => (of, of_pull) == (owner, pull),
            _ => false,
        };
        let listed = self.items.iter().rev().filter(|(key, _)| is_listed(key));
        listed.map(|(_, item)| Arc::clone(item)).collect()
    }

    pub(crate) fn pulls(&self) -> impl Iterator<Item = (&OwnerId, &Pull)> {
        self.iter().filter_map(|(key, item)| match (key, item) {
            (Key::Pull(owner, _), Item::Pull(pull)) => Some((owner, pull)),
            _ => None,
        })
    }

    pub(crate) fn records(&self) -> impl Iterator<Item = (&OwnerId, &Record)> {
        self.iter().filter_map(|(key, item)| match (key, item) {
            (Key::Record(owner, _), Item::Record(record)) => Some((owner, record)),
            _ => None,
        })
    }

    pub(crate) fn unmet(&self, writes: &[Write], sabotage: Option<Sabotage>) -> Vec<Condition> {
        if sabotage == Some(Sabotage::UnconditionalWrite) {
            return Vec::new();
        }
        let unchecked = sabotage == Some(Sabotage::GrantUncheckedOnInsert) && self.inserts_in_an_erasure(writes);
        let unmet = writes.iter().filter(|write| !self.holds(write));
        let unmet = unmet.filter(|write| !(unchecked && write.condition == Condition::GrantHeld));
        unmet.map(|write| write.condition).collect()
    }

    /// Whether the writes insert a challenge or a first link of a person who is being erased.
    fn inserts_in_an_erasure(&self, writes: &[Write]) -> bool {
        writes.iter().any(|write| match &write.key {
            Key::Challenge(owner) | Key::Patient(owner) => {
                self.get(&write.key).is_none() && self.root(owner).erasure.is_some()
            }
            _ => false,
        })
    }

    fn holds(&self, write: &Write) -> bool {
        let there = self.items.get(&write.key);
        match &write.require {
            Require::Nothing | Require::Version(0) => there.is_none(),
            Require::Version(version) => there.is_some_and(|item| item.version() == Some(*version)),
            Require::NothingAlive(now) => {
                there.is_none_or(|item| item.lock().is_some_and(|lock| lock.deadline <= *now))
            }
            Require::NobodyElses(owner, now) => there.is_none_or(|item| match item.as_ref() {
                Item::Owner(theirs) => theirs == owner,
                Item::Claim(theirs, deadline) => theirs == owner || deadline <= now,
                _ => false,
            }),
            Require::Holder(holder) => there.is_some_and(|item| item.lock().is_some_and(|lock| lock.holder == *holder)),
            Require::Grant(grant) => {
                let root = there.and_then(|item| item.root().cloned());
                root.unwrap_or_default().holds(*grant)
            }
            Require::Present => there.is_some(),
            Require::Names(owner) => there.is_some_and(|item| item.row_owner() == Some(owner)),
            Require::Anything => true,
        }
    }

    /// Writes without a check; the caller checks the conditions first.
    pub(crate) fn write(&mut self, writes: &[Write]) {
        for write in writes {
            match &write.effect {
                Effect::Put(item) => drop(self.items.insert(write.key.clone(), Arc::clone(item))),
                Effect::Delete => drop(self.items.remove(&write.key)),
                Effect::Check | Effect::Log(_) => {}
            }
        }
    }

    /// The keys of a person's items that an erasure deletes.
    pub(crate) fn erasable(&self, owner: &OwnerId, place: Place) -> Vec<Key> {
        let is_theirs = |key: &Key, item: &Item| match place {
            Place::Partition => key.owner() == Some(owner) && !key.stays(),
            Place::Rows => item.row_owner() == Some(owner),
        };
        let theirs = self.iter().filter(|(key, item)| is_theirs(key, item));
        theirs.map(|(key, _)| key.clone()).collect()
    }

    pub(crate) fn erasures(&self) -> impl Iterator<Item = &Erasure> {
        self.items.values().filter_map(|item| item.erasure())
    }

    pub(crate) fn put(&mut self, key: Key, item: Item) {
        self.items.insert(key, Arc::new(item));
    }

    /// All work that was due at `before` or earlier, oldest first.
    pub(crate) fn overdue(&self, before: Time) -> Vec<Advance> {
        let mut due: Vec<(Time, Advance)> = self.due().filter(|(due_at, _)| *due_at <= before).collect();
        due.sort_by_key(|(due_at, _)| *due_at);
        due.into_iter().map(|(_, advance)| advance).collect()
    }

    pub(crate) fn due(&self) -> impl Iterator<Item = (Time, Advance)> + '_ {
        self.iter().filter_map(|(key, item)| match (key, item) {
            (Key::Pull(owner, _), Item::Pull(pull)) => Some((pull.due_at?, Advance::of_pull(owner, pull))),
            (Key::Record(owner, _), Item::Record(record)) => Some((record.due_at?, Advance::of_record(owner, record))),
            _ => None,
        })
    }
}
