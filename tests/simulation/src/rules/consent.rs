//! Rule 12: a call follows only from an intent that was written while its grant held. Work that a withdrawal ended
//! stays ended.

use shared::domain::OwnerId;
use shared::domain::person_root::Grant;
use shared::domain::pull::{Pull, PullState};
use shared::domain::record::{Record, RecordState};

use super::{Violation, broken};
use crate::ids::{person, pull_name};
use crate::io::{Reply, put_of};
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::upstream::Call;
use crate::words;
use crate::world::World;

/// The grant that an intent needs.
enum Needs {
    /// The grant of the pull or record.
    Grant(Grant),
    /// The grant of the person's present consent.
    Consent,
}

/// Judges the writes of a transaction.
pub(super) fn written(world: &World, writes: &[Write]) -> Option<Violation> {
    writes.iter().find_map(|write| {
        let item = put_of(&write.effect)?;
        let before = world.store.get(&write.key).map(AsRef::as_ref);
        revived(before.and_then(Item::pull), item).or_else(|| {
            let (owner, needs) = intent(&write.key, before, item)?;
            let root = world.store.root(owner);
            let holds = match needs {
                Needs::Grant(grant) => root.holds(grant),
                Needs::Consent => root.consent.is_some(),
            };
            let intent = words::key(&write.key);
            (!holds)
                .then(|| broken(12, format!("{intent} is written without a grant")))
                .flatten()
        })
    })
}

fn revived(before: Option<&Pull>, after: &Item) -> Option<Violation> {
    let was = before.is_some_and(|before| before.state == PullState::Withdrawn);
    let pull = after
        .pull()
        .filter(|after| was && after.state != PullState::Withdrawn)?;
    broken(
        12,
        format!("{} was withdrawn, but became {:?}", pull_name(pull.id), pull.state),
    )
}

/// The intent that a write is, if it is one.
fn intent<'k>(key: &'k Key, before: Option<&Item>, after: &Item) -> Option<(&'k OwnerId, Needs)> {
    let needs = match (key, after) {
        (Key::Pull(..), Item::Pull(pull)) => pull_intent(before.and_then(Item::pull), pull).map(Needs::Grant),
        (Key::Record(..), Item::Record(record)) => {
            record_intent(before.and_then(Item::record), record).map(Needs::Grant)
        }
        (Key::Patient(_), Item::Patient(slot)) => {
            let had = before
                .and_then(Item::patient)
                .is_some_and(|before| before.intent.is_some());
            (slot.intent.is_some() && !had).then_some(Needs::Consent)
        }
        (Key::Challenge(_), Item::Challenge(slot)) => {
            let had = before.and_then(|before| before.challenge()?.pending.as_ref());
            (slot.pending.is_some() && slot.pending.as_ref() != had).then_some(Needs::Consent)
        }
        (Key::Identity(_), Item::Identity(identity)) => {
            let had = before.and_then(|before| before.identity()?.session.as_ref());
            (identity.session.is_some() && identity.session.as_ref() != had).then_some(Needs::Consent)
        }
        // In a transaction, shares are charged only for a link.
        (Key::Shares(_), _) => Some(Needs::Consent),
        _ => None,
    };
    Some((key.owner()?, needs?))
}

fn pull_intent(before: Option<&Pull>, after: &Pull) -> Option<Grant> {
    let claimed = before.is_some_and(|before| before.state == PullState::Queued) && after.state == PullState::Starting;
    (before.is_none() || claimed).then_some(after.grant)
}

/// The grant of an intent: a request for a record, a start, or a transfer. The creation of a pull's record is not an
/// intent; its start is one.
fn record_intent(before: Option<&Record>, after: &Record) -> Option<Grant> {
    let Some(before) = before else {
        return after.pull.is_none().then_some(after.grant);
    };
    let starts = after.state == RecordState::Starting && after.unanswered > before.unanswered;
    let claims = after.state == RecordState::Starting && before.state == RecordState::Waiting;
    let fetches = after.state == RecordState::Fetching && before.state == RecordState::Offered;
    (starts || claims || fetches).then_some(after.grant)
}

/// Judges a call that has no stored intent. After the charge, its step must have read again that a consent is given, or
/// that the pull still waits.
pub(super) fn called(task: &Task, call: &Call) -> Option<Violation> {
    let since_charge = task
        .log
        .iter()
        .rev()
        .take_while(|reply| !matches!(reply, Reply::Shared(_)));
    let mut items = since_charge.filter_map(|reply| match reply {
        Reply::Item(Ok(Some(item))) => Some(item),
        _ => None,
    });
    let was_read = match call {
        Call::OpenSession(..) | Call::OpenChallenge(_) => {
            items.any(|item| item.root().is_some_and(|root| root.consent.is_some()))
        }
        // The charge of a poll is not an operation, so its time is unknown. Two reads of the pull therefore suffice.
        Call::ReadQuery(_) => {
            items
                .filter(|item| item.pull().is_some_and(|pull| pull.state.waits()))
                .count()
                > 1
        }
        _ => true,
    };
    let what = words::job(&task.job);
    (!was_read)
        .then(|| broken(12, format!("a call without a second read: {what}")))
        .flatten()
}

/// At the end of a history, no person without a consent has a challenge or a held session.
pub(super) fn at_rest(world: &World) -> Option<Violation> {
    let roots = world
        .store
        .iter()
        .filter_map(|(key, item)| Some((key.owner()?, item.root()?)));
    let mut without = roots.filter(|(_, root)| root.consent.is_none());
    let challenged = |of: &&OwnerId| {
        let challenge = world.store.get(&Key::Challenge((*of).clone()));
        challenge.is_some_and(|item| item.challenge().is_some_and(|slot| !slot.is_clear()))
    };
    let (left, _) = without.find(|(of, _)| challenged(of))?;
    broken(12, format!("person {} has a challenge without consent", person(left)))
}
