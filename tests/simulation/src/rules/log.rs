//! Rule 13: every access leaves an entry, in the transaction of its effect. A link is made only after its entry.

use shared::domain::challenge::ChallengeSlot;
use shared::domain::identity::Identity;
use shared::domain::log::Access;
use shared::domain::patient::PatientSlot;
use shared::domain::person_root::PersonRoot;
use shared::domain::pull::Pull;
use shared::domain::record::{Record, RecordState};

use super::{Violation, broken, quarantine};
use crate::functions::Job;
use crate::ids::{self, record_name};
use crate::io::put_of;
use crate::store::{Effect, Item, Key, Write};
use crate::task::Task;
use crate::words;
use crate::world::World;

/// The entries of a transaction must be those of its effects, which follow from the stored items before it.
pub(super) fn logged(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    let mut expected: Vec<&str> = writes
        .iter()
        .flat_map(|write| effects(world, task, write))
        .map(Access::as_str)
        .collect();
    let mut entries: Vec<&str> = writes.iter().filter_map(entry).map(Access::as_str).collect();
    expected.sort_unstable();
    entries.sort_unstable();
    if expected != entries {
        return broken(13, format!("entries {entries:?} for the effects {expected:?}"));
    }
    if let Job::ReadRecord { record, .. } = &task.job {
        *world.facts.mints.entry(*record).or_default() += entries.len();
    }
    None
}

fn entry(write: &Write) -> Option<Access> {
    match write.effect {
        Effect::Log(what) => Some(what),
        Effect::Put(_) | Effect::Delete | Effect::Check => None,
    }
}

/// The accesses that a write makes, by its item before and after.
fn effects(world: &World, task: &Task, write: &Write) -> Vec<Access> {
    let Some(item) = put_of(&write.effect) else {
        // A report of a further record only checks the root, which has the quarantine already.
        let checked = matches!(write.effect, Effect::Check) && matches!(write.key, Key::Root(_));
        let reported = matches!(task.job, Job::NotMe { .. });
        return (checked && reported).then_some(Access::NotMe).into_iter().collect();
    };
    let before = world.store.get(&write.key).map(AsRef::as_ref);
    let one = |access: Option<Access>| access.into_iter().collect();
    match item.as_ref() {
        Item::Root(root) => rooted(before.and_then(Item::root), root, &task.job),
        Item::Patient(slot) => one(linked(before.and_then(Item::patient), slot)),
        Item::Identity(identity) => one(verified(before.and_then(Item::identity), identity)),
        Item::Challenge(slot) => one(opened(before.and_then(Item::challenge), slot)),
        Item::Pull(pull) => pulled(before.and_then(Item::pull), pull),
        Item::Record(record) => one(stored(record)),
        Item::Owner(_) => one(matches!(write.key, Key::Session(_)).then_some(Access::SessionOpened)),
        // In a transaction, shares are charged only for a link.
        Item::Shares(_) => one(Some(Access::LinkMinted)),
        _ => Vec::new(),
    }
}

/// A change succeeds if it ends with a link to these demographics. A cancelled change leaves the former link.
fn linked(before: Option<&PatientSlot>, after: &PatientSlot) -> Option<Access> {
    let intent = before?.intent.as_ref()?;
    let link = after.link.as_ref().filter(|_| after.intent.is_none())?;
    if link.demographics != intent.demographics {
        return None;
    }
    let known = before?
        .link
        .as_ref()
        .is_some_and(|before| before.patient == link.patient);
    Some(if known {
        Access::DemographicsChanged
    } else {
        Access::Linked
    })
}

/// A consent, its withdrawal, a quarantine, or an erasure. Only a report has an entry of its own besides that of the
/// quarantine.
fn rooted(before: Option<&PersonRoot>, after: &PersonRoot, job: &Job) -> Vec<Access> {
    let is_erasing = |root: &PersonRoot| root.erasure.is_some();
    match (before.is_some_and(is_erasing), is_erasing(after)) {
        (false, true) => return vec![Access::ErasureRequested],
        (true, false) => return vec![Access::Erased],
        (false, false) | (true, true) => {}
    }
    let quarantined = before.and_then(|before| before.quarantine.as_ref()) != after.quarantine.as_ref();
    let reported = matches!(job, Job::NotMe { .. });
    let kinds = [
        consented(before, after),
        (quarantined && after.quarantine.is_some()).then_some(Access::Quarantined),
        reported.then_some(Access::NotMe),
    ];
    kinds.into_iter().flatten().collect()
}

fn consented(before: Option<&PersonRoot>, after: &PersonRoot) -> Option<Access> {
    let given = after.consent.is_some() && before.is_none_or(|before| before.consent != after.consent);
    let withdrawn = before.and_then(|before| before.withdrawn_at) != after.withdrawn_at;
    if given {
        Some(Access::ConsentGiven)
    } else {
        withdrawn.then_some(Access::ConsentWithdrawn)
    }
}

/// A verification binds an identity at its time. A rejection keeps that time.
fn verified(before: Option<&Identity>, after: &Identity) -> Option<Access> {
    let before = before.and_then(|before| before.proofed.as_ref());
    let proofed = after.proofed.as_ref().filter(|after| after.rejected_at.is_none())?;
    (before != Some(proofed)).then_some(Access::IdentityVerified)
}

fn opened(before: Option<&ChallengeSlot>, after: &ChallengeSlot) -> Option<Access> {
    let pending = |slot: &ChallengeSlot| slot.pending.as_ref().map(|pending| pending.id.clone());
    let now = pending(after)?;
    (before.and_then(pending) != Some(now)).then_some(Access::ChallengeOpened)
}

fn pulled(before: Option<&Pull>, after: &Pull) -> Vec<Access> {
    let started = after.started_at.is_some() && before.is_none_or(|before| before.started_at.is_none());
    let ended = before.is_some_and(|before| before.state != after.state) && !after.state.waits();
    let all = [
        (before.is_none(), Access::PullAccepted),
        (started, Access::PullStarted),
        (ended, Access::PullEnded),
    ];
    all.into_iter()
        .filter_map(|(is, access)| is.then_some(access))
        .collect()
}

fn stored(record: &Record) -> Option<Access> {
    (record.state == RecordState::Available).then_some(Access::RecordStored)
}

/// Judges a link: it leads to the file of the requested record, and has an entry of its own.
pub(crate) fn judge_link(world: &mut World, task: &Task, object: &str) -> Option<Violation> {
    world.count("link minted");
    let (person, record) = match &task.job {
        Job::ReadRecord { person, record } if object.contains(&record.to_string()) => (*person, *record),
        job => return broken(13, format!("{} makes a link to {object}", words::job(job))),
    };
    let entries = world.facts.mints.entry(record).or_default();
    match entries.checked_sub(1) {
        Some(left) => {
            *entries = left;
            quarantine::judge_link(world, &ids::owner(person), record)
        }
        None => broken(13, format!("a link to {} has no entry", record_name(record))),
    }
}
