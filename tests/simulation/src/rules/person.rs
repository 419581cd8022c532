//! Rule 7: the right person. A pull stands on its own person's patient, proofed identity and challenge, and on a
//! session that was never used.

use shared::domain::identity::{Identity, Standing};
use shared::domain::run::RunState;
use shared::domain::{OwnerId, PatientId};

use super::{Violation, broken};
use crate::functions::Job;
use crate::ids::{self, run_name};
use crate::io::put_of;
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::upstream::StartQuery;
use crate::world::World;

/// A pull is about to be accepted.
pub(super) fn accepted(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    let Job::Pull { person, presented, .. } = &task.job else {
        return None;
    };
    let run = writes
        .iter()
        .find_map(|write| put_of(&write.effect).and_then(|item| item.run()))?;
    let (owner, name) = (ids::owner(*person), run_name(run.id));
    let sessions = world.ghost.sessions.entry(presented.session.clone()).or_default();
    *sessions += 1;
    if *sessions > 1 {
        return broken(7, format!("{name} is accepted on a session that was used before"));
    }
    if presented.status != "verified" || world.ghost.challenges.get(&presented.challenge) != Some(person) {
        return broken(7, format!("{name} is accepted on a challenge that is not its person's"));
    }
    let slot = world.store.get(&Key::Patient(owner.clone()));
    let link = slot
        .and_then(|item| item.patient())
        .and_then(|slot| slot.settled().ok())
        .filter(|link| link.patient == run.patient);
    let Some(link) = link else {
        return broken(7, format!("{name} is accepted for a patient that is not settled"));
    };
    let theirs = world.store.get(&Key::PatientOwner(run.patient.clone()));
    if theirs.and_then(|item| item.owner()) != Some(&owner) {
        return broken(7, format!("{name} is accepted for a patient of somebody else"));
    }
    let identity = world.store.get(&Key::Identity(owner));
    let standing = identity
        .and_then(|item| item.identity())
        .map(|identity| identity.standing(&link.patient, &link.demographics, world.now, world.timing));
    let verified = matches!(standing, Some(Standing::Verified(_)));
    (!verified)
        .then(|| broken(7, format!("{name} is accepted for a person who is not verified")))
        .flatten()
}

/// A network query has begun upstream: for a patient of the person whose run it is, on an identity of that patient.
pub(super) fn queried(world: &World, start: &StartQuery) -> Option<Violation> {
    let name = run_name(start.run);
    let run = world.store.runs().find(|(_, run)| run.id == start.run);
    let Some((owner, run)) = run else {
        return broken(7, format!("{name} was started and is not stored"));
    };
    let challenge = world
        .upstream
        .challenges
        .iter()
        .find(|challenge| challenge.session.as_ref() == Some(&start.session))?;
    let person = world.ghost.challenges.get(&challenge.id).copied();
    if person != Some(ids::person(owner)) || run.patient != start.patient {
        return broken(7, format!("{name} was started on somebody else's session"));
    }
    let page = world
        .upstream
        .pages
        .iter()
        .find(|page| page.passed.as_ref() == Some(&start.proofed));
    let right = page.is_some_and(|page| page.patient == start.patient);
    (!right)
        .then(|| broken(7, format!("{name} was started on an identity of another patient")))
        .flatten()
}

/// An identity is bound: it came from a page that was opened for this person, this patient, these demographics.
pub(super) fn proofed(world: &World, before: Option<&Identity>, after: &Identity) -> Option<Violation> {
    let proofed = after.proofed.as_ref()?;
    if before.and_then(|before| before.proofed.as_ref()) == Some(proofed) {
        return None;
    }
    let page = world
        .upstream
        .pages
        .iter()
        .find(|page| page.passed.as_ref() == Some(&proofed.id));
    let Some(page) = page else {
        return broken(7, "an identity is bound that nobody proofed");
    };
    let crossed = world.ghost.crossed.contains(&page.patient);
    let same = page.demographics.as_ref() == Some(&proofed.demographics);
    let right = page.patient == proofed.patient && (same || crossed);
    (!right)
        .then(|| broken(7, "an identity is bound to another patient or other demographics"))
        .flatten()
}

/// A known gap, counted and not judged: of two persons with one external id who link at the same moment, the one who is
/// refused may have written their demographics to the other's patient upstream, after having seen that it was nobody's.
pub(super) fn note_crossing(world: &mut World, patient: &PatientId, person: u8) {
    let theirs = world.store.get(&Key::PatientOwner(patient.clone()));
    let other = theirs
        .and_then(|item| item.owner())
        .is_none_or(|owner| *owner != ids::owner(person));
    if other && world.ghost.crossed.insert(patient.clone()) {
        world.count("gap: a patient that is not the person's is written upstream");
    }
}

/// A patient belongs to one person.
pub(super) fn patient_owner(before: Option<&OwnerId>, after: &OwnerId) -> Option<Violation> {
    before
        .is_some_and(|before| before != after)
        .then(|| broken(7, "a patient gets a second owner"))
        .flatten()
}

/// An AAL2 session is held for a run that may still start, and for none that has.
pub(super) fn sessions_forgotten(world: &World) -> Option<Violation> {
    world.store.iter().find_map(|(_, item)| match item {
        Item::Challenge(slot) => {
            let held = slot.held.as_ref()?;
            let needed = world
                .run(held.run)
                .is_some_and(|run| matches!(run.state, RunState::Queued | RunState::Starting));
            (!needed)
                .then(|| broken(7, format!("the session of {} is still held", run_name(held.run))))
                .flatten()
        }
        _ => None,
    })
}
