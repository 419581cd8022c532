//! Rule 5: at most one effect. A pull has one network query. A patient has one open pull and one open consolidated
//! query at a time. A file is stored only if it is what the record asks for.

use shared::domain::pull::{FailureReason, PullState};
use shared::domain::record::Record;
use shared::domain::{PatientId, RecordId};
use shared::message::Subject;
use shared::metriport::{Effect, UpstreamError};

use super::{Violation, broken, budget, consent, erasure, person};
use crate::choice::Fault;
use crate::functions::Job;
use crate::ids::{pull_name, record_name};
use crate::io::put_of;
use crate::store::Write;
use crate::task::Task;
use crate::upstream::{Answer, Call, Content};
use crate::world::World;

/// Notes that a fault hits a function. If the function handles a pull, the outcome of that pull's start may be unknown
/// from now on.
pub(crate) fn trouble(world: &mut World, at: usize) {
    let job = world.tasks.get(at).map(|task| &task.job);
    if let Some(Job::Advance(advance)) = job
        && let Subject::Pull(pull) = advance.subject
    {
        world.facts.troubled.insert(pull);
    }
}

/// Notes and judges a call that a function has made. The call may have had its effect even if the function got an
/// error.
pub(crate) fn called(
    world: &mut World,
    task: &Task,
    call: &Call,
    fault: Option<Fault>,
    answer: &Result<Answer, UpstreamError>,
) -> Option<Violation> {
    erasure::note_call(world, task, call, answer);
    consent::called(task, call).or_else(|| had_effect(world, task, call, fault, answer))
}

fn had_effect(
    world: &mut World,
    task: &Task,
    call: &Call,
    fault: Option<Fault>,
    answer: &Result<Answer, UpstreamError>,
) -> Option<Violation> {
    match (call, &task.job, answer) {
        (Call::OpenChallenge(_), Job::OpenChallenge { person }, Ok(Answer::Challenge(id, _))) => {
            world.facts.challenges.insert(id.clone(), *person);
            None
        }
        (Call::UpdatePatient(patient, _), Job::Link { person, .. }, _) => person::updated(world, patient, *person),
        (Call::StartQuery(start), ..) => {
            let effect = answer.as_ref().err().map(UpstreamError::effect);
            let found = budget::starts_again(world, start.pull);
            if let Err(error) = answer
                && let Some(wait) = error.retry_after()
            {
                world.facts.busy.insert(start.pull, world.now.plus(wait));
            }
            if answer.as_ref().is_err_and(UpstreamError::rejects_identity) {
                world.facts.rejected.insert(start.pull, start.proofed.clone());
            }
            if matches!(effect, None | Some(Effect::Unknown)) {
                let starts = world.facts.starts.entry(start.pull).or_default();
                *starts += 1;
                if *starts > 1 {
                    return broken(
                        5,
                        format!("{} is started although it may have started", pull_name(start.pull)),
                    );
                }
            }
            let unanswered = fault == Some(Fault::Unanswered) && effect == Some(Effect::Unknown);
            let took_effect = effect.is_none() || unanswered;
            found.or_else(|| took_effect.then(|| person::queried(world, start)).flatten())
        }
        (Call::StartConsolidated(record, patient, _), ..) => beside_another(world, *record, patient),
        _ => None,
    }
}

/// A record's query must not start while a query of another record of the patient runs. Otherwise the new query would
/// overwrite the other's file, or Metriport would answer with the running query, which began before the requested data
/// existed.
fn beside_another(world: &World, record: RecordId, patient: &PatientId) -> Option<Violation> {
    let running = world.upstream.open_consolidated(world.now);
    let mut running = running
        .iter()
        .filter_map(|index| world.upstream.consolidated.get(*index));
    let other = running.find(|query| query.patient == *patient && query.record != record)?;
    let (name, other) = (record_name(record), record_name(other.record));
    broken(5, format!("{name} is started while a query of {other} runs"))
}

/// The stored content must be what the record asks for, about the record's patient.
pub(super) fn stored(record: &Record) -> Option<Violation> {
    let object = record.object.as_ref()?;
    let expected = Content {
        patient: record.patient.clone(),
        query: record.query.clone(),
        differs: record.differs(),
    };
    (object.sha256 != expected.tag())
        .then(|| {
            broken(
                5,
                format!(
                    "{} holds content that was not requested: {}",
                    record_name(record.id),
                    object.sha256
                ),
            )
        })
        .flatten()
}

/// Notes the deadlines that the locks should have, before a sabotage changes them in the table.
pub(super) fn note_locks(world: &mut World, writes: &[Write]) {
    let locks = writes.iter().filter_map(|write| put_of(&write.effect)?.lock());
    for lock in locks {
        match lock.holder {
            Subject::Pull(pull) => {
                world.facts.pull_locks.insert(pull, lock.deadline);
            }
            Subject::Record(record) => {
                world.facts.record_locks.insert(record, lock.deadline);
            }
        }
    }
}

/// A patient has at most one open pull and at most one open consolidated query, as long as their locks last.
pub(super) fn exclusive(world: &World) -> Option<Violation> {
    let soon = world.now.plus(std::time::Duration::from_secs(10));
    let mut open = Vec::new();
    for (_, pull) in world.store.pulls().filter(|(_, pull)| pull.state.waits()) {
        let held = world.facts.pull_locks.get(&pull.id).is_some_and(|until| *until > soon);
        // Late evidence can reopen a pull. The pull then waits only for its record, and needs no lock for that.
        if held && pull.state != PullState::Consolidating {
            if open.contains(&&pull.patient) {
                return broken(5, "two pulls of one patient are open");
            }
            open.push(&pull.patient);
        }
    }
    let mut open = Vec::new();
    for (_, record) in world.store.records().filter(|(_, record)| record.state.holds_lock()) {
        let held = world
            .facts
            .record_locks
            .get(&record.id)
            .is_some_and(|until| *until > soon);
        if held {
            if open.contains(&&record.patient) {
                return broken(5, "two consolidated queries of one patient are open");
            }
            open.push(&record.patient);
        }
    }
    None
}

/// A pull that knows its network query has started exactly one. A pull that ends as not started has not started any. A
/// pull ends unconfirmed only after a fault.
pub(super) fn starts(world: &World) -> Option<Violation> {
    for (_, pull) in world.store.pulls() {
        let name = pull_name(pull.id);
        let begun = world
            .upstream
            .queries
            .iter()
            .filter(|query| query.pull == pull.id)
            .count();
        if pull.request.is_some() && begun != 1 {
            return broken(5, format!("{name} knows its one query, but {begun} were started"));
        }
        let not_begun = [
            FailureReason::Aal2SessionExpired,
            FailureReason::Aal2SessionRejected,
            FailureReason::IdentityRejected,
            FailureReason::UpstreamRefused,
        ];
        if begun > 0 && pull.reason.is_some_and(|reason| not_begun.contains(&reason)) {
            return broken(5, format!("{name} is stored as not started, but was started"));
        }
        if pull.state == PullState::Unconfirmed && !world.facts.troubled.contains(&pull.id) {
            return broken(5, format!("{name} is unconfirmed although no fault hit its start"));
        }
    }
    None
}
