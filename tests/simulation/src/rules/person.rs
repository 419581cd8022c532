//! Rule 7: the right person. A pull uses its own person's patient, proofed identity and challenge, and an unused AAL2
//! session.

use std::time::Duration;

use shared::domain::identity::{Identity, Standing};
use shared::domain::pull::{FailureReason, Pull, PullState};
use shared::domain::{OwnerId, PatientId, Time};

use super::{Violation, broken};
use crate::functions::Job;
use crate::ids::{self, pull_name};
use crate::io::{Reply, put_of};
use crate::store::{Item, Key, Write};
use crate::task::Task;
use crate::upstream::StartQuery;
use crate::world::World;

/// The maximum difference between two machines' clocks. Each clock is off by at most two seconds, in either direction.
const CLOCKS_DIFFER: Duration = Duration::from_secs(4);

/// Judges a pull that is about to be accepted.
pub(super) fn accepted(world: &mut World, task: &Task, writes: &[Write]) -> Option<Violation> {
    let Job::Pull { person, presented, .. } = &task.job else {
        return None;
    };
    let pull = writes
        .iter()
        .find_map(|write| put_of(&write.effect).and_then(|item| item.pull()))?;
    let (owner, name) = (ids::owner(*person), pull_name(pull.id));
    let sessions = world.facts.sessions.entry(presented.session.clone()).or_default();
    *sessions += 1;
    if *sessions > 1 {
        return broken(7, format!("{name} is accepted on a session that was used before"));
    }
    if presented.status != "verified" || world.facts.challenges.get(&presented.challenge) != Some(person) {
        return broken(7, format!("{name} is accepted on another person's challenge"));
    }
    let slot = world.store.get(&Key::Patient(owner.clone()));
    let link = slot
        .and_then(|item| item.patient())
        .and_then(|slot| slot.settled().ok())
        .filter(|link| link.patient == pull.patient);
    let Some(link) = link else {
        return broken(7, format!("{name} is accepted for a patient that is not settled"));
    };
    let theirs = world.store.get(&Key::PatientOwner(pull.patient.clone()));
    if theirs.and_then(|item| item.owner()) != Some(&owner) {
        return broken(7, format!("{name} is accepted for another person's patient"));
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

/// A network query that began at Metriport must be for the pull's patient. It must use a challenge of the pull's
/// person, and an identity of that patient.
pub(super) fn queried(world: &World, start: &StartQuery) -> Option<Violation> {
    let name = pull_name(start.pull);
    let pull = world.store.pulls().find(|(_, pull)| pull.id == start.pull);
    let Some((owner, pull)) = pull else {
        // Between the claim of a start and the call, an erasure may delete the pull.
        if world.facts.erasures.has_deleted_pull(start.pull) {
            return None;
        }
        return broken(7, format!("{name} was started, but is not stored"));
    };
    let challenge = world
        .upstream
        .challenges
        .iter()
        .find(|challenge| challenge.session.as_ref() == Some(&start.session))?;
    let person = world.facts.challenges.get(&challenge.id).copied();
    if person != Some(ids::person(owner)) || pull.patient != start.patient {
        return broken(7, format!("{name} was started on another person's session"));
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

/// A new proofed identity must come from an identity page that was opened for this patient and these demographics.
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
        return broken(7, "an identity without a proofing is bound");
    };
    let right = page.patient == proofed.patient && page.demographics.as_ref() == Some(&proofed.demographics);
    (!right)
        .then(|| broken(7, "an identity is bound to another patient or other demographics"))
        .flatten()
}

/// A pull that ends because Metriport refused its identity must also reject that identity, because no later step does.
/// A failed read or write of the table is excused, because it must not prevent the end of the pull.
pub(super) fn still_counts(world: &World, task: &Task, owner: &OwnerId, pull: &Pull) -> Option<Violation> {
    if pull.reason != Some(FailureReason::IdentityRejected) {
        return None;
    }
    let failed = |reply: &Reply| matches!(reply, Reply::Item(Err(_)) | Reply::Committed(Err(_)));
    if task.log.iter().any(failed) {
        return None;
    }
    let rejected = world.facts.rejected.get(&pull.id)?;
    let item = world.store.get(&Key::Identity(owner.clone()))?;
    let proofed = item.identity()?.proofed.as_ref()?;
    (proofed.id == *rejected && proofed.rejected_at.is_none())
        .then(|| {
            broken(
                7,
                format!(
                    "{} ends, but the identity that Metriport refused still counts as verified",
                    pull_name(pull.id)
                ),
            )
        })
        .flatten()
}

/// A patient that a person updates at Metriport must belong to that person, or the person must have claimed it.
pub(super) fn updated(world: &World, patient: &PatientId, person: u8) -> Option<Violation> {
    let theirs = world.store.get(&Key::PatientOwner(patient.clone()));
    let right = theirs.is_some_and(|item| match item.as_ref() {
        Item::Owner(owner) => *owner == ids::owner(person),
        Item::Claim(owner, deadline) => *owner == ids::owner(person) && world.now < deadline.plus(CLOCKS_DIFFER),
        _ => false,
    });
    (!right)
        .then(|| broken(7, "another person's patient is written at Metriport"))
        .flatten()
}

/// A patient belongs to one person: a second person can neither own nor claim it, and an owned patient does not become
/// a claimed one.
pub(super) fn patient_owner(now: Time, before: Option<&Item>, after: &Item) -> Option<Violation> {
    let next = match after {
        Item::Owner(owner) | Item::Claim(owner, _) => owner,
        _ => return broken(7, "the owner of a patient is not a person"),
    };
    match before {
        Some(Item::Owner(owner)) if owner != next => broken(7, "a patient gets a second owner"),
        Some(Item::Owner(_)) if matches!(after, Item::Claim(..)) => broken(7, "an owned patient becomes a claimed one"),
        Some(Item::Claim(owner, deadline)) if owner != next && now.plus(CLOCKS_DIFFER) < *deadline => {
            broken(7, "a patient is claimed by a second person")
        }
        _ => None,
    }
}

/// An AAL2 session is held only for a pull that may still start.
pub(super) fn sessions_forgotten(world: &World) -> Option<Violation> {
    world.store.iter().find_map(|(_, item)| match item {
        Item::Challenge(slot) => {
            let held = slot.held.as_ref()?;
            let needed = world
                .pull(held.pull)
                .is_some_and(|pull| matches!(pull.state, PullState::Queued | PullState::Starting));
            (!needed)
                .then(|| broken(7, format!("the session of {} is still held", pull_name(held.pull))))
                .flatten()
        }
        _ => None,
    })
}
