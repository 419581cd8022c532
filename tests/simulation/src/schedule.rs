//! Draws schedules and runs them. A history begins with an empty or a prepared world, has a limited number of steps,
//! and is then brought to rest.

use std::time::Duration;

use rand::{Rng, RngExt};
use shared::domain::OwnerId;
use shared::domain::erasure::ErasureStage;

use crate::choice::{Choice, Ending, Fault, Pass, PersonRequest, Pull, WebhookArrival, Yield};
use crate::functions::Job;
use crate::ids;
use crate::io::{Body, Op};
use crate::rest::{Networks, bring_to_rest};
use crate::rules::Violation;
use crate::store::{Key, Place};
use crate::task::Task;
use crate::upstream::Call;
use crate::world::World;
use crate::{Sabotage, people};

/// How long an operation takes in a random schedule.
const PACE: Duration = Duration::from_millis(40);

/// The person whose patient another system has created.
const PREREGISTERED: u8 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// All persons are unknown.
    Empty,
    /// Two persons are linked and verified. The patient of the second one existed at Metriport before.
    Verified,
}

/// The world at the beginning; the functions themselves prepare it, without faults.
pub(crate) fn begin(beginning: Beginning, sabotage: Option<Sabotage>, pace: Duration) -> World {
    let mut world = World::new(sabotage, pace);
    if beginning == Beginning::Verified {
        let known = people::hash_of(PREREGISTERED * 10);
        world.upstream.register(&people::external_id(PREREGISTERED), &known);
        for person in 0..2 {
            verify(&mut world, person);
        }
    }
    world
}

pub(crate) fn verify(world: &mut World, person: u8) {
    for step in [
        Choice::Ask(person, PersonRequest::Consent),
        Choice::Ask(person, PersonRequest::Link(0)),
        Choice::Ask(person, PersonRequest::OpenSession),
        Choice::Page(0, Pass::Full),
        Choice::Webhook(0, WebhookArrival::Arrives),
        Choice::Receive(0),
    ] {
        unhurt(world, step);
    }
}

/// Makes a step, and lets every function that the step invokes run to its end.
pub(crate) fn unhurt(world: &mut World, step: Choice) {
    world.apply(step);
    while world.apply(Choice::Finish(0)) {}
}

/// Runs a schedule in a world, then brings the world to rest with silent and with answering networks. Returns the last
/// world, and the rule that broke in it.
pub(crate) fn run(mut world: World, choices: &[Choice]) -> (World, Option<Violation>) {
    for choice in choices {
        world.apply(*choice);
        if world.violation.is_some() {
            let violation = world.violation.clone();
            return (world, violation);
        }
    }
    rest(world)
}

/// Brings a world to rest with silent and with answering networks.
pub(crate) fn rest(world: World) -> (World, Option<Violation>) {
    let mut silent = world.clone();
    let violation = bring_to_rest(&mut silent, Networks::Silent);
    if violation.is_some() {
        return (silent, violation);
    }
    let mut answered = world;
    let violation = bring_to_rest(&mut answered, Networks::Answer);
    (answered, violation)
}

/// One history of `steps` choices, drawn one after the other.
pub(crate) fn draw(rng: &mut impl Rng, sabotage: Option<Sabotage>, steps: u64) -> (Beginning, Vec<Choice>, World) {
    let beginning = if rng.random_ratio(1, 4) {
        Beginning::Empty
    } else {
        Beginning::Verified
    };
    let mut world = begin(beginning, sabotage, PACE);
    let mut choices = Vec::new();
    // After 1000 draws in a row that do not apply, the schedule counts as exhausted.
    let mut futile = 0;
    while (choices.len() as u64) < steps && world.violation.is_none() && futile < 1000 {
        let choice = one(rng, &world);
        if world.apply(choice) {
            choices.push(choice);
            futile = 0;
        } else {
            futile += 1;
        }
    }
    (beginning, choices, world)
}

/// The world at the beginning of a drawn history, with a trace in words if `traced`.
pub(crate) fn again(beginning: Beginning, sabotage: Option<Sabotage>, traced: bool) -> World {
    let mut world = begin(beginning, sabotage, PACE);
    world.words = traced.then(Vec::new);
    world
}

fn pick<T: Copy>(rng: &mut impl Rng, from: &[T], otherwise: T) -> T {
    let index = rng.random_range(0..from.len().max(1));
    from.get(index).copied().unwrap_or(otherwise)
}

fn one(rng: &mut impl Rng, world: &World) -> Choice {
    let at = rng.random_range(0..=u8::MAX);
    let first = if rng.random_ratio(2, 3) { 0 } else { at };
    let busy = !world.tasks.is_empty();
    // Calls to Metriport are rare among the operations, but most kinds of faults apply only to them. So faults of calls
    // are also drawn separately.
    let calling = world
        .tasks
        .iter()
        .position(|task| matches!(task.pending, Op::Upstream(_)));
    let starting = |task: &Task| matches!(task.pending, Op::Upstream(Call::StartQuery(_)));
    if let Some(starting) = world.tasks.iter().position(starting)
        && rng.random_ratio(1, 16)
    {
        return Choice::Fault(u8::try_from(starting).unwrap_or(0), fault(rng));
    }
    if let Some(calling) = calling.filter(|_| rng.random_ratio(1, 12)) {
        return Choice::Fault(u8::try_from(calling).unwrap_or(0), fault(rng));
    }
    if let Some(choice) = favour_erasure(rng, world) {
        return choice;
    }
    match rng.random_range(0..1000u32) {
        0..200 if busy => Choice::Step(at),
        200..440 if busy => Choice::Finish(at),
        440..465 if busy => Choice::Fault(at, fault(rng)),
        465..475 if busy => Choice::Crash(at),
        0..580 => Choice::Receive(first),
        580..590 => Choice::Copy(at),
        590..690 => Choice::Webhook(first, draw_arrival(rng)),
        690..710 => Choice::Page(at, page(rng)),
        710..760 => Choice::Source(at, ending(rng)),
        760..830 => Choice::Consolidated(at, yields(rng)),
        830..845 => Choice::Tick,
        845..895 if !busy => Choice::WaitForNext,
        895..903 => Choice::Jump(pick(rng, &[1, 1, 3, 3, 8, 8, 20, 20, 45, 45, 100, 240, 400], 1)),
        903..905 => Choice::Jump(pick(rng, &[1300, 2000, 7300, 50_000], 1300)),
        905..908 => Choice::Skew(rng.random_range(-20..=20)),
        _ => {
            let person = pick(rng, &[0, 0, 0, 1, 1, 1, 2], 0);
            let challenged = world
                .known_challenges
                .get(&person)
                .is_some_and(|challenges| !challenges.is_empty());
            // A person who has opened a challenge often pulls next.
            let pulls = challenged && rng.random_ratio(1, 2);
            // A person who has withdrawn their consent, or whose erasure is finished, often gives a consent next.
            let root = world.store.root(&ids::owner(person));
            if root.consent.is_none() && root.erasure.is_none() && rng.random_ratio(3, 4) {
                return Choice::Ask(person, PersonRequest::Consent);
            }
            // A person whose records may be quarantined often tries to read one next.
            let suspected = world.facts.suspected.contains_key(&person);
            if suspected && rng.random_ratio(1, 2) {
                return Choice::Ask(person, PersonRequest::ReadRecord(at));
            }
            Choice::Ask(
                person,
                if pulls {
                    PersonRequest::Pull(pull(rng))
                } else {
                    draw_request(rng)
                },
            )
        }
    }
}

/// Sometimes a choice that lets an erasure meet other work, or that lets it go on. Otherwise few erasures would end
/// within a history, and few would meet a request or a transfer.
fn favour_erasure(rng: &mut impl Rng, world: &World) -> Option<Choice> {
    let place = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    let lists_rows = |task: &Task| matches!(task.pending, Op::Keys(_, Place::Rows));
    if let Some(lists) = world.tasks.iter().position(lists_rows)
        && rng.random_ratio(1, 12)
    {
        return Some(Choice::Fault(place(lists), Fault::Partly));
    }
    if let Some((person, rarely)) = world.tasks.iter().find_map(|task| meets(world, task)) {
        if rng.random_ratio(1, rarely) {
            return Some(Choice::Ask(person, PersonRequest::Erase));
        }
        if let Some(overtakes) = overtake(world).filter(|_| rng.random_ratio(1, 2)) {
            return Some(overtakes);
        }
    }
    let job = world.store.erasures().find(|job| job.stage != ErasureStage::Finished)?;
    if job.due_at.is_some_and(|due_at| due_at <= world.now) {
        return rng.random_ratio(1, 10).then_some(Choice::Tick);
    }
    (world.tasks.is_empty() && rng.random_ratio(1, 20)).then_some(Choice::Jump(100))
}

/// The choice that lets an erasure go on before all other work.
fn overtake(world: &World) -> Option<Choice> {
    let place = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    let erases = |task: &Task| matches!(task.job, Job::Erase { .. } | Job::AccountWork(_));
    if let Some(at) = world.tasks.iter().position(erases) {
        return Some(Choice::Finish(place(at)));
    }
    let is_work = |index: &usize| {
        let message = world.messages.get(*index);
        message.is_some_and(|message| matches!(message.body, Body::AccountWork(_)))
    };
    let at = world.visible().iter().position(is_work)?;
    Some(Choice::Receive(place(at)))
}

/// The person whose erasure would meet the work of a function, and how rarely they ask for it then.
fn meets(world: &World, task: &Task) -> Option<(u8, u32)> {
    let person = task.job.person()?;
    let is_absent = |key: fn(OwnerId) -> Key| world.store.get(&key(ids::owner(person))).is_none();
    let rarely = match (&task.job, &task.pending) {
        (Job::Link { .. }, _) if is_absent(Key::Patient) => 120,
        (Job::OpenChallenge { .. }, _) if is_absent(Key::Challenge) => 200,
        (Job::Fetch(_), Op::Transfer(..)) => 100,
        _ => return None,
    };
    Some((person, rarely))
}

fn draw_request(rng: &mut impl Rng) -> PersonRequest {
    match rng.random_range(0..100u8) {
        0 if rng.random_ratio(1, 4) => PersonRequest::Erase,
        0..9 => PersonRequest::Link(0),
        9 => PersonRequest::Withdraw,
        10..12 => PersonRequest::Link(1),
        12 => PersonRequest::Link(2),
        13 => PersonRequest::NotMe(rng.random_range(0..=u8::MAX)),
        14..30 => PersonRequest::OpenSession,
        30..80 => PersonRequest::OpenChallenge,
        80..85 => PersonRequest::ReadRecord(rng.random_range(0..=u8::MAX)),
        85..95 => PersonRequest::AskRecord(rng.random_range(0..6)),
        _ => PersonRequest::Pull(pull(rng)),
    }
}

fn pull(rng: &mut impl Rng) -> Pull {
    match rng.random_range(0..20u8) {
        0..15 => Pull::Proper,
        15 => Pull::NotPassed,
        16 | 17 => Pull::SessionAgain,
        18 => Pull::OldChallenge,
        _ => Pull::ForeignSession,
    }
}

fn fault(rng: &mut impl Rng) -> Fault {
    let all = [
        Fault::Lost,
        Fault::Unanswered,
        Fault::NotSent,
        Fault::Busy,
        Fault::Refused,
        Fault::SessionRefused,
        Fault::IdentityRefused,
        Fault::Partly,
        Fault::Lost,
        Fault::Unanswered,
    ];
    pick(rng, &all, Fault::Lost)
}

fn draw_arrival(rng: &mut impl Rng) -> WebhookArrival {
    match rng.random_range(0..20u8) {
        0..12 => WebhookArrival::Arrives,
        12..14 => WebhookArrival::ArrivesBare,
        14..17 => WebhookArrival::Dropped,
        _ => WebhookArrival::Again,
    }
}

fn page(rng: &mut impl Rng) -> Pass {
    pick(
        rng,
        &[
            Pass::Full,
            Pass::Full,
            Pass::Full,
            Pass::PatientOnly,
            Pass::Unnamed,
            Pass::Somebody,
            Pass::Elsewhere,
            Pass::Contradicted,
        ],
        Pass::Full,
    )
}

fn ending(rng: &mut impl Rng) -> Ending {
    let all = [
        Ending::Answers,
        Ending::Answers,
        Ending::Fails,
        Ending::AnswersUntold,
        Ending::FailsUntold,
        Ending::Retried,
    ];
    pick(rng, &all, Ending::Answers)
}

fn yields(rng: &mut impl Rng) -> Yield {
    let all = [
        Yield::Link,
        Yield::Link,
        Yield::Link,
        Yield::Link,
        Yield::LinkUntold,
        Yield::Nothing,
        Yield::Failure,
        Yield::Foreign,
    ];
    // Rare, because the person's records are hidden afterwards.
    if rng.random_ratio(1, 40) {
        return Yield::Different;
    }
    pick(rng, &all, Yield::Link)
}
