//! Rule 14: erased. A finished erasure has deleted everything that the person had before it, and nothing restores it.
//! While the person is being erased, no request of theirs inserts an item, and no call to Metriport begins for them but
//! the deletion of their patient. This patient is deleted if and only if one of our functions created it. Every erasure
//! finishes.

mod upstream;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use shared::domain::erasure::{Erasure, ErasureStage};
use shared::domain::{Aal2SessionId, OwnerId, PatientId, PullId};

use super::{Violation, broken};
use crate::functions::Job;
use crate::ids::{person, record_name};
use crate::io::put_of;
use crate::people::OWNER_KEY;
use crate::store::{Effect, Item, Key, Place, Write};
use crate::task::Task;
use crate::words;
use crate::world::{Object, World};

pub(crate) use upstream::{judge_call, note_call};

/// Facts about all erasures.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Erasures {
    /// Counts the beginnings and the ends of erasures, and the ends of open work. Work that began at this moment or
    /// earlier began before the event with this number.
    moment: u32,
    persons: BTreeMap<u8, ErasedPerson>,
    /// The person for whom each patient was created.
    created: BTreeMap<PatientId, u8>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct ErasedPerson {
    /// The moment at which the present erasure began.
    begun: Option<u32>,
    /// The moment at which the present erasure had ended open work.
    swept: Option<u32>,
    /// The moment at which the last erasure ended.
    ended: Option<u32>,
    /// The items that the present erasure has deleted, as far as their keys are never given again.
    deleted: BTreeSet<Key>,
    /// The same of the ended erasures.
    gone: BTreeSet<Key>,
    /// The number of items that the present erasure has deleted.
    deletions: u64,
    /// The numbers of identity pages and of challenges at the end of the last erasure.
    pages: usize,
    challenges: usize,
}

impl Erasures {
    pub(crate) const fn moment(&self) -> u32 {
        self.moment
    }

    /// Whether an erasure has deleted the pull.
    pub(super) fn has_deleted_pull(&self, pull: PullId) -> bool {
        let mut keys = self.persons.values().flat_map(|of| of.deleted.iter().chain(&of.gone));
        keys.any(|key| matches!(key, Key::Pull(_, id) if *id == pull))
    }

    const fn count_moment(&mut self) -> u32 {
        self.moment += 1;
        self.moment - 1
    }
}

/// The person whom an erasure erases; `None` if it is finished.
fn erased_owner<'w>(world: &'w World, task: &Task) -> Option<&'w OwnerId> {
    match &task.job {
        Job::AccountWork(work) => stored_job(world, &Key::Erasure(work.erasure()?))?.owner.as_ref(),
        _ => None,
    }
}

fn stored_job<'w>(world: &'w World, key: &Key) -> Option<&'w Erasure> {
    world.store.get(key)?.erasure()
}

/// Judges a transaction, and notes the beginnings and ends of erasures.
pub(super) fn written(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    let mut found = None;
    for write in writes {
        found = found.or_else(|| match &write.effect {
            Effect::Put(item) => judge_put(world, task, write, item),
            Effect::Delete => judge_deletion(world, task, &write.key),
            Effect::Check | Effect::Log(_) => None,
        });
    }
    note_deletions(world, task, writes);
    for write in writes {
        let Some(item) = put_of(&write.effect) else { continue };
        match (&write.key, item.as_ref()) {
            (Key::Root(owner), Item::Root(root))
                if root.erasure.is_some() && world.store.root(owner).erasure.is_none() =>
            {
                let moment = world.facts.erasures.count_moment();
                let persons = &mut world.facts.erasures.persons;
                persons.entry(person(owner)).or_default().begun = Some(moment);
            }
            (Key::Root(owner), Item::Root(root)) if root.consent.is_some() => {
                let of = world.facts.erasures.persons.get(&person(owner));
                if of.is_some_and(|of| of.ended.is_some()) {
                    world.count("person consents after their erasure");
                }
            }
            (key, Item::Erasure(job)) if job.stage == ErasureStage::First => {
                let before = stored_job(world, key).filter(|before| before.stage == ErasureStage::Ending);
                if let Some(owner) = before.and_then(|before| before.owner.clone()) {
                    let moment = world.facts.erasures.count_moment();
                    let persons = &mut world.facts.erasures.persons;
                    persons.entry(person(&owner)).or_default().swept = Some(moment);
                }
            }
            (key, Item::Erasure(job)) if job.stage == ErasureStage::Finished => {
                let owner = stored_job(world, key).and_then(|job| job.owner.clone());
                found = found.or_else(|| judge_end(world, owner.as_ref()?, job));
                owner.inspect(|owner| note_end(world, owner));
            }
            _ => {}
        }
    }
    found
}

/// Judges a put: it must not bring back anything that was erased, and no request inserts an item of a person who is
/// being erased.
fn judge_put(world: &World, task: &Task, write: &Write, item: &Item) -> Option<Violation> {
    let owner = write.key.owner().or_else(|| item.row_owner())?;
    let of = world.facts.erasures.persons.get(&person(owner))?;
    let breaks = |what: &str| {
        let (key, job) = (words::key(&write.key), words::job(&task.job));
        broken(14, format!("{key} {what}: {job}"))
    };
    if of.deleted.contains(&write.key) || of.gone.contains(&write.key) {
        return breaks("was erased and is stored again");
    }
    if of.ended.is_some() && task.since <= of.ended {
        return breaks("is written by work that began before the end of the erasure");
    }
    if is_old(world, of, item) {
        return breaks("gets an id of Metriport from before the erasure");
    }
    let inserts = of.begun.is_some() && world.store.get(&write.key).is_none() && is_of_request(item);
    (inserts && !matches!(task.job, Job::AccountWork(_)))
        .then(|| breaks("is inserted during an erasure"))
        .flatten()
}

/// Whether only a request inserts such an item.
fn is_of_request(item: &Item) -> bool {
    match item {
        Item::Patient(_) | Item::Identity(_) | Item::OpenRecords(_) | Item::Pull(_) => true,
        // A withdrawal writes an empty slot.
        Item::Challenge(slot) => !slot.is_clear(),
        Item::Record(record) => record.pull.is_none(),
        _ => false,
    }
}

/// Whether an item names an identity or a challenge of Metriport from before the last erasure.
fn is_old(world: &World, of: &ErasedPerson, item: &Item) -> bool {
    let mut pages = world.upstream.pages.iter().take(of.pages);
    let mut challenges = world.upstream.challenges.iter().take(of.challenges);
    match item {
        Item::Identity(identity) => {
            let proofed = identity.proofed.as_ref().map(|proofed| &proofed.id);
            proofed.is_some() && pages.any(|page| page.passed.as_ref() == proofed)
        }
        Item::Challenge(slot) => {
            let pending = slot.pending.as_ref().map(|pending| &pending.id);
            challenges.any(|challenge| Some(&challenge.id) == pending)
        }
        _ => false,
    }
}

/// An erasure deletes only items of its own person.
fn judge_deletion(world: &World, task: &Task, key: &Key) -> Option<Violation> {
    let owner = erased_owner(world, task)?;
    let stored = world.store.get(key)?;
    let theirs = key.owner().or_else(|| stored.row_owner()) == Some(owner);
    let (name, of) = (words::key(key), person(owner));
    (!theirs)
        .then(|| broken(14, format!("the erasure of person {of} deletes {name}")))
        .flatten()
}

/// An erasure deletes only objects of its own person.
pub(crate) fn judge_object_deletion(world: &World, task: &Task, object: &Object) -> Option<Violation> {
    let owner = erased_owner(world, task)?;
    let (name, of) = (record_name(object.record), person(owner));
    (object.owner != *owner)
        .then(|| broken(14, format!("the erasure of person {of} deletes the object of {name}")))
        .flatten()
}

/// Notes the items that an erasure deletes.
fn note_deletions(world: &mut World, task: &Task, writes: &[Write]) {
    let Some(owner) = erased_owner(world, task).cloned() else {
        return;
    };
    // The other deletes of an erasure release locks.
    let counted = |write: &&Write| write.condition == shared::store::Condition::StillStored;
    for write in writes.iter().filter(counted) {
        if world.sweeps_again(task) {
            world.count("second sweep deletes an item");
        }
        let of = world.facts.erasures.persons.entry(person(&owner)).or_default();
        of.deletions += 1;
        let is_unique = matches!(
            write.key,
            Key::Pull(..) | Key::Entry(..) | Key::Record(..) | Key::Session(_) | Key::Mark(_) | Key::Request(_)
        );
        if is_unique {
            of.deleted.insert(write.key.clone());
        }
        // From now on, a function may accept the session again. Metriport accepts it only for the erased identity.
        if let Key::Used(hash) = &write.key {
            let is_other = |session: &Aal2SessionId| OWNER_KEY.aal2_session(session).ok().as_ref() != Some(hash);
            world.facts.sessions.retain(|session, _| is_other(session));
        }
    }
}

/// Judges the end of an erasure: nothing of the person is left, and all deletions are counted.
fn judge_end(world: &World, owner: &OwnerId, job: &Erasure) -> Option<Violation> {
    let of = person(owner);
    let items = [Place::Partition, Place::Rows]
        .into_iter()
        .flat_map(|place| world.store.erasable(owner, place));
    if let Some(key) = items.into_iter().next() {
        let key = words::key(&key);
        return broken(14, format!("the erasure of person {of} is finished, but {key} is left"));
    }
    if let Some((key, _)) = world.bucket.all().find(|(_, object)| object.owner == *owner) {
        return broken(14, format!("the erasure of person {of} is finished, but {key} is left"));
    }
    let deletions = world.facts.erasures.persons.get(&of).map_or(0, |of| of.deletions);
    let counted: u64 = job.deleted.items.values().sum();
    if counted != deletions {
        return broken(14, format!("the receipt counts {counted} deleted items of {deletions}"));
    }
    upstream::judge_patient(world, of, job)
}

/// Notes the end of an erasure. Facts that depend on the deleted items end, too.
fn note_end(world: &mut World, owner: &OwnerId) {
    let of = person(owner);
    let facts = &mut world.facts;
    let moment = facts.erasures.count_moment();
    let erased = facts.erasures.persons.entry(of).or_default();
    (erased.begun, erased.swept) = (None, None);
    erased.ended = Some(moment);
    erased.gone.append(&mut erased.deleted);
    erased.deletions = 0;
    erased.pages = world.upstream.pages.len();
    erased.challenges = world.upstream.challenges.len();
    // The receipt has named a patient whose creation had no answer.
    facts.erasures.created.retain(|_, creator| *creator != of);
    facts.suspected.remove(&of);
}

/// Judges an object that is put into the bucket. A transfer may end during an erasure, but not after it.
pub(crate) fn judge_object(world: &World, object: &Object) -> Option<Violation> {
    let of = world.facts.erasures.persons.get(&person(&object.owner))?;
    let is_gone = of.gone.contains(&Key::Record(object.owner.clone(), object.record));
    let name = record_name(object.record);
    is_gone
        .then(|| broken(14, format!("the object of {name} is stored after the erasure")))
        .flatten()
}

/// At the end of a history, no erasure is unfinished.
pub(super) fn at_rest(world: &World) -> Option<Violation> {
    if let Some(job) = world.store.erasures().find(|job| job.stage != ErasureStage::Finished) {
        let (of, stage) = (job.owner.as_ref().map_or(u8::MAX, person), job.stage);
        return broken(14, format!("the erasure of person {of} stays {stage:?} without end"));
    }
    let marked = world.store.iter().find_map(|(key, item)| {
        let root = item.root().filter(|root| root.erasure.is_some());
        root.and_then(|_| key.owner())
    });
    marked.and_then(|owner| broken(14, format!("person {} stays marked for an erasure", person(owner))))
}
