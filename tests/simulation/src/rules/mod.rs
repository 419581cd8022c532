//! The rules of `docs/rules.md`, one to seven and eleven, as things that must hold of every world.
//!
//! They look at what is stored and at what really happened (the [`Ghost`] and Metriport itself, which no function can
//! see), never at how a function came to it. Some hold after every write, some whenever the clock has moved, and some
//! only once everything has come to rest.

pub(crate) mod budget;
pub(crate) mod due;
pub(crate) mod effects;
pub(crate) mod order;
pub(crate) mod person;
pub(crate) mod share;
pub(crate) mod webhooks;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use shared::domain::budget::PersonAsk;
use shared::domain::{
    Aal2SessionId, ChallengeId, MessageId, ProofedIdentityId, RecordId, RunId, SourceKind, Time, UpstreamRequestId,
};

use crate::io::put_of;
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::world::World;

/// A broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its number in `docs/rules.md`.
    pub rule: u8,
    /// What is wrong.
    pub what: String,
}

pub(crate) fn broken(rule: u8, what: impl Into<String>) -> Option<Violation> {
    let what = what.into();
    Some(Violation { rule, what })
}

/// What an onlooker knows whom nothing escapes.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Ghost {
    /// Webhooks that were answered with 200.
    pub(crate) accepted: BTreeSet<MessageId>,
    /// Those that a function has acted on, or decided about.
    pub(crate) handled: BTreeSet<MessageId>,
    /// Those in the dead-letter queue.
    pub(crate) dead: BTreeSet<MessageId>,
    /// Effects each message had.
    pub(crate) effects: BTreeMap<MessageId, u8>,
    /// Ends of sources that a message told, to a function that could know whom it was about.
    pub(crate) reported: BTreeSet<(UpstreamRequestId, SourceKind)>,
    /// Whose challenge it is.
    pub(crate) challenges: BTreeMap<ChallengeId, u8>,
    /// How many pulls were accepted on a session.
    pub(crate) sessions: BTreeMap<Aal2SessionId, u8>,
    /// Pulls whose function met a fault, so that their start may be unknown.
    pub(crate) troubled: BTreeSet<RunId>,
    /// Starts that had an effect, or may have had one.
    pub(crate) starts: BTreeMap<RunId, u8>,
    /// The proofed identities that upstream refused at the start of a pull.
    pub(crate) rejected: BTreeMap<RunId, ProofedIdentityId>,
    /// Until when upstream has asked not to be asked again.
    pub(crate) busy: BTreeMap<RunId, Time>,
    /// Until when a pull's lock of its patient was to hold.
    pub(crate) run_locks: BTreeMap<RunId, Time>,
    /// Until when a record's was.
    pub(crate) record_locks: BTreeMap<RecordId, Time>,
    /// Requests that each person was served, with the time by the clock of the function.
    pub(crate) served: BTreeMap<u8, Vec<(PersonAsk, Time)>>,
}

/// Rules about a write that is about to be made.
pub(crate) fn before_write(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    effects::note_locks(world, writes);
    let stale = due::acts_on_stale(task);
    let mut found = stale.or_else(|| person::accepted(world, task, writes));
    for write in writes {
        let Some(item) = put_of(&write.effect) else { continue };
        let before = world.store.get(&write.key).cloned();
        let next = match (&write.key, item.as_ref(), before.as_deref()) {
            (Key::Run(owner, _), Item::Run(run), before) => {
                let before = before.and_then(Item::run);
                order::run(before, run)
                    .or_else(|| due::run(run, world))
                    .or_else(|| person::still_counts(world, task, owner, run))
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
    webhooks::note_effect(world, task, writes).or(found)
}

/// Rules about what a write has made.
pub(crate) fn after_write(world: &mut World, writes: &[Write]) -> Option<Violation> {
    order::count(world, writes);
    effects::exclusive(world).or_else(|| share::open_records(world))
}

/// Rules that hold whatever the clock says.
pub(crate) fn standing(world: &World) -> Option<Violation> {
    due::shown(world)
}

/// Rules that hold once everything has come to rest.
pub(crate) fn at_rest(world: &World) -> Option<Violation> {
    due::nothing_waits(world)
        .or_else(|| order::timelines(world))
        .or_else(|| webhooks::all_had_effect(world))
        .or_else(|| effects::starts(world))
        .or_else(|| person::sessions_forgotten(world))
        .or_else(|| budget::at_rest(world))
}
