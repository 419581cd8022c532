//! Rules 1 to 7 and 11 to 14 of `docs/rules.md`, as conditions on every world.
//!
//! The rules look at stored items and at the real events, which functions cannot see: [`HiddenFacts`] and the state of
//! Metriport. They never look at how a function decided. Some rules must hold after every write, some after every move
//! of the clock, and some only at rest.

pub(crate) mod budget;
pub(crate) mod consent;
pub(crate) mod due;
pub(crate) mod effects;
pub(crate) mod erasure;
pub(crate) mod log;
pub(crate) mod order;
pub(crate) mod person;
pub(crate) mod quarantine;
pub(crate) mod share;
pub(crate) mod webhooks;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use shared::domain::budget::PersonAsk;
use shared::domain::{
    Aal2SessionId, ChallengeId, MessageId, ProofedIdentityId, PullId, RecordId, SourceKind, Time, UpstreamRequestId,
};

use crate::io::put_of;
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::world::World;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule's number in `docs/rules.md`.
    pub rule: u8,
    /// The failure in words.
    pub what: String,
}

pub(crate) fn broken(rule: u8, what: impl Into<String>) -> Option<Violation> {
    let what = what.into();
    Some(Violation { rule, what })
}

/// Facts about a history that the rules can see and the functions cannot.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct HiddenFacts {
    /// Webhooks that were answered with 200.
    pub(crate) accepted: BTreeSet<MessageId>,
    /// Webhooks that `webhook-process` has acknowledged.
    pub(crate) handled: BTreeSet<MessageId>,
    pub(crate) dead: BTreeSet<MessageId>,
    /// The number of effects of each message.
    pub(crate) effects: BTreeMap<MessageId, u8>,
    /// Ends of sources that a webhook reported, if the function could correlate the webhook.
    pub(crate) reported: BTreeSet<(UpstreamRequestId, SourceKind)>,
    pub(crate) challenges: BTreeMap<ChallengeId, u8>,
    /// The number of pulls that were accepted with an AAL2 session.
    pub(crate) sessions: BTreeMap<Aal2SessionId, u8>,
    /// Pulls whose function met a fault, so that the outcome of their start may be unknown.
    pub(crate) troubled: BTreeSet<PullId>,
    /// Starts that had an effect, or may have had one.
    pub(crate) starts: BTreeMap<PullId, u8>,
    /// The proofed identities that Metriport refused at the start of a pull.
    pub(crate) rejected: BTreeMap<PullId, ProofedIdentityId>,
    /// Until when Metriport throttles the start of a pull.
    pub(crate) busy: BTreeMap<PullId, Time>,
    /// Until when a pull should hold its patient's lock.
    pub(crate) pull_locks: BTreeMap<PullId, Time>,
    /// Until when a record should hold its patient's lock.
    pub(crate) record_locks: BTreeMap<RecordId, Time>,
    /// Requests that each person was granted, with the time on the function's clock.
    pub(crate) served: BTreeMap<u8, Vec<(PersonAsk, Time)>>,
    /// For each record, the number of entries of links that were not made yet.
    pub(crate) mints: BTreeMap<RecordId, usize>,
    /// For each person, the records that may be another person's.
    pub(crate) suspected: BTreeMap<u8, quarantine::Suspected>,
    pub(crate) erasures: erasure::Erasures,
}

pub(crate) fn before_write(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    effects::note_locks(world, writes);
    let stale = due::acts_on_stale(task);
    let mut found = stale.or_else(|| person::accepted(world, task, writes));
    for write in writes {
        let Some(item) = put_of(&write.effect) else { continue };
        let before = world.store.get(&write.key).cloned();
        let next = match (&write.key, item.as_ref(), before.as_deref()) {
            (Key::Pull(owner, _), Item::Pull(pull), before) => {
                let before = before.and_then(Item::pull);
                order::pull(before, pull)
                    .or_else(|| due::pull(pull, world))
                    .or_else(|| person::still_counts(world, task, owner, pull))
            }
            (Key::Record(..), Item::Record(record), before) => {
                let before = before.and_then(Item::record);
                order::record(before, record)
                    .or_else(|| due::record(record, world))
                    .or_else(|| effects::stored(record))
            }
            (_, Item::Identity(identity), before) => person::proofed(world, before.and_then(Item::identity), identity),
            (Key::PatientOwner(_), item, before) => person::patient_owner(world.now, before, item),
            _ => None,
        };
        found = found.or(next);
    }
    let found = webhooks::note_effect(world, task, writes).or(found);
    let revived = erasure::written(world, task, writes);
    let unlogged = log::logged(world, task, writes);
    quarantine::note(world, task, writes);
    revived
        .or_else(|| consent::written(world, writes))
        .or(found)
        .or(unlogged)
}

pub(crate) fn after_write(world: &mut World, writes: &[Write]) -> Option<Violation> {
    order::count(world, writes);
    effects::exclusive(world).or_else(|| share::open_records(world))
}

/// Rules that hold at every time of the clock.
pub(crate) fn standing(world: &World) -> Option<Violation> {
    due::shown(world)
}

pub(crate) fn at_rest(world: &World) -> Option<Violation> {
    due::nothing_waits(world)
        .or_else(|| order::timelines(world))
        .or_else(|| webhooks::all_had_effect(world))
        .or_else(|| effects::starts(world))
        .or_else(|| person::sessions_forgotten(world))
        .or_else(|| budget::at_rest(world))
        .or_else(|| consent::at_rest(world))
        .or_else(|| erasure::at_rest(world))
}
