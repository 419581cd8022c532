//! The calls to Metriport during an erasure, and the deletion of the patient.

use shared::domain::PatientId;
use shared::domain::erasure::Erasure;
use shared::metriport::UpstreamError;

use super::{Violation, broken, erased_owner};
use crate::functions::Job;
use crate::ids::{self, person};
use crate::store::Key;
use crate::task::Task;
use crate::upstream::{Answer, Call, Patient};
use crate::words;
use crate::world::World;

/// Judges what the receipt states about the patient.
pub(super) fn judge_patient(world: &World, of: u8, job: &Erasure) -> Option<Violation> {
    if job.uncertain {
        return None;
    }
    let created = &world.facts.erasures.created;
    let theirs = |patient: &&Patient| created.get(&patient.id) == Some(&of) && !is_anothers(world, &patient.id, of);
    let left = world.upstream.patients.iter().find(theirs)?;
    let (left, state) = (left.id.as_str(), &job.patient);
    broken(
        14,
        format!("the erasure of person {of} leaves their {left}, although it is {state:?}"),
    )
}

/// Whether another person owns or claims the patient.
fn is_anothers(world: &World, patient: &PatientId, of: u8) -> bool {
    let row = world.store.get(&Key::PatientOwner(patient.clone()));
    row.is_some_and(|row| row.row_owner() != Some(&ids::owner(of)))
}

/// Judges a call that is about to begin. A pull that waits for its sources is polled until its erasure has ended it.
pub(crate) fn judge_call(world: &World, task: &Task, call: &Call) -> Option<Violation> {
    if let Call::DeletePatient(patient) = call {
        return judge_deletion(world, person(erased_owner(world, task)?), patient);
    }
    let of = task.job.person()?;
    let erased = world.facts.erasures.persons.get(&of)?;
    let until = match call {
        Call::ReadQuery(_) => erased.swept?,
        _ => erased.begun?,
    };
    (task.since > Some(until))
        .then(|| {
            let job = words::job(&task.job);
            broken(14, format!("a call for person {of} begins during their erasure: {job}"))
        })
        .flatten()
}

/// A deletion must be that of a patient that one of our functions created, and that no other person owns or claims.
fn judge_deletion(world: &World, of: u8, patient: &PatientId) -> Option<Violation> {
    let name = patient.as_str();
    if is_anothers(world, patient, of) {
        return broken(
            14,
            format!("the erasure of person {of} deletes another person's {name}"),
        );
    }
    let stored = world.upstream.patients.iter().find(|stored| stored.id == *patient)?;
    (!stored.ours)
        .then(|| {
            broken(
                14,
                format!("the erasure of person {of} deletes {name}, which existed before"),
            )
        })
        .flatten()
}

/// Notes for whom a patient was created.
pub(crate) fn note_call(world: &mut World, task: &Task, call: &Call, answer: &Result<Answer, UpstreamError>) {
    match (&task.job, call) {
        (Job::Link { person, .. }, Call::CreatePatient(external, demographics)) => {
            let is_made = |patient: &&Patient| patient.external == *external && patient.demographics == *demographics;
            if let Some(made) = world.upstream.patients.iter().find(is_made) {
                world.facts.erasures.created.insert(made.id.clone(), *person);
            }
        }
        (_, Call::DeletePatient(_)) if answer.is_ok() => world.count("patient deleted"),
        _ => {}
    }
}
