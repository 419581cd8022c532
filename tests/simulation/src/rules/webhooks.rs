//! Rule 4: an accepted webhook has its effect once, unless it is a duplicate or about superseded work.

use shared::domain::SourceStatus;
use shared::domain::pull::SourceOutcome;
use shared::message::Subject;
use shared::message::webhook::{Event, WebhookEvent};
use webhook_process::outcome::UNMATCHED;

use super::{Violation, broken};
use crate::functions::Job;
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::world::World;

fn subject(world: &World, event: &WebhookEvent) -> Option<(shared::domain::OwnerId, Subject)> {
    let request = event.request.as_ref()?;
    match world.store.get(&Key::Request(request.clone()))?.as_ref() {
        Item::Request(owner, subject) => Some((owner.clone(), *subject)),
        _ => None,
    }
}

/// Whether the stored state identifies the event's subject, and that subject awaits the event.
pub(crate) fn is_known(world: &World, event: &WebhookEvent) -> bool {
    match (&event.event, subject(world, event)) {
        (Event::Identity { verification }, _) => {
            let mark = verification.mark.clone().map(Key::Mark);
            let sessions = verification.sessions.iter().cloned().map(Key::Session);
            let patient = verification.patient.clone().map(Key::PatientOwner);
            let mut keys = sessions.chain(mark).chain(patient);
            // A claim of a patient does not identify a person.
            keys.any(|key| world.store.get(&key).is_some_and(|item| item.owner().is_some()))
        }
        (Event::Consolidated { delivery }, Some((owner, Subject::Record(id)))) => {
            let item = world.store.get(&Key::Record(owner, id));
            let record = item.and_then(|item| item.record());
            record.is_some_and(|record| record.awaits(&delivery.claims(event.request.as_ref()), false))
        }
        (_, subject) => subject.is_some(),
    }
}

/// Judges an event that a function has acknowledged. If the stored state identified the subject, the function must have
/// acted on the event.
pub(crate) fn handled(
    world: &mut World,
    event: &WebhookEvent,
    outcome: &'static str,
    known: bool,
) -> Option<Violation> {
    world.facts.handled.insert(event.message.clone());
    if outcome != UNMATCHED || !known {
        if known && let Event::Source { source, .. } = event.event {
            let request = event.request.clone()?;
            world.facts.reported.insert((request, source));
        }
        // An event of a query that is not stored yet may be dropped, because the query's status reports the same later.
        let taken_in = outcome != UNMATCHED;
        return taken_in.then(|| answer_unknown(world, event)).flatten();
    }
    let lost = match (&event.event, subject(world, event)) {
        (Event::Source { patient, .. }, Some((_, Subject::Pull(id)))) => {
            world.pull(id).is_some_and(|pull| pull.patient == *patient)
        }
        (Event::Consolidated { .. }, Some((_, Subject::Record(_)))) | (Event::Identity { .. }, _) => true,
        _ => false,
    };
    lost.then(|| {
        broken(
            4,
            format!("{} is about a known subject, but had no effect", event.message),
        )
    })
    .flatten()
}

/// Finds an answer of a source that a function acted on while the pull was open, although the source is not stored as
/// completed. An earlier failure of the source does not excuse that.
fn answer_unknown(world: &World, event: &WebhookEvent) -> Option<Violation> {
    let Event::Source {
        patient,
        source,
        status: SourceOutcome::Completed,
    } = &event.event
    else {
        return None;
    };
    let (_, Subject::Pull(id)) = subject(world, event)? else {
        return None;
    };
    let pull = world.pull(id)?;
    let open = pull.patient == *patient && !pull.state.is_terminal();
    let status = pull.sources.status(*source).filter(|_| open)?;
    (status != SourceStatus::Completed)
        .then(|| {
            broken(
                4,
                format!(
                    "{} reports an answer of a source, but the source is {status:?}",
                    event.message
                ),
            )
        })
        .flatten()
}

/// A webhook's write happens at most once per message, together with the row that remembers the message.
pub(super) fn note_effect(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    let Job::Process(event) = &task.job else { return None };
    let has_effect = writes.iter().any(|write| !matches!(write.key, Key::Seen(_)));
    if !has_effect {
        return None;
    }
    let effects = world.facts.effects.entry(event.message.clone()).or_default();
    *effects += 1;
    if *effects > 1 {
        return broken(4, format!("{} has an effect twice", event.message));
    }
    let key = Key::Seen(event.message.clone());
    let remembered = writes.iter().any(|write| write.key == key);
    (!remembered)
        .then(|| {
            broken(
                4,
                format!(
                    "the effect of {} is written, but its message is not remembered",
                    event.message
                ),
            )
        })
        .flatten()
}

/// A webhook that was answered with 200 was acted on or is a dead letter, and the ends of sources that it reported are
/// stored.
pub(super) fn all_had_effect(world: &World) -> Option<Violation> {
    let facts = &world.facts;
    let lost = facts
        .accepted
        .iter()
        .find(|message| !facts.handled.contains(*message) && !facts.dead.contains(*message));
    if let Some(message) = lost {
        return broken(4, format!("{message} was answered with 200, but is lost"));
    }
    for (_, pull) in world.store.pulls() {
        for (request, kind) in &facts.reported {
            let status = pull.sources.status(*kind);
            let is_stored = matches!(status, None | Some(SourceStatus::Completed | SourceStatus::Failed));
            if pull.request.as_ref() == Some(request) && !is_stored {
                return broken(
                    4,
                    format!("the end of a source was reported, but is not stored: {status:?}"),
                );
            }
        }
    }
    None
}
