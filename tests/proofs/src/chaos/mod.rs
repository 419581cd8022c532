//! `proofs chaos`: many whole pulls over real processes with injected faults of every kind, and a verdict on each pull.
//!
//! Time is scaled by dividing durations, never by changing clocks. The seed decides the persons and the random numbers.
//! The timing of the processes decides which occasion gets which number, so a seed does not repeat a pull exactly.

mod deletions;
mod erase;
mod evidence;
mod facts;
mod inject;
mod judge;
mod kills;
mod order;
mod person;
mod plan;
mod points;
mod pulled;
mod report;
mod rotation;
mod values;
mod withdraw;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use ias::report::say;
use sandbox_machine::app::App;
use sandbox_machine::browser::Browser;
use sandbox_machine::functions::runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Persona, StandInOptions, Variants};
use serde_json::Map;
use tokio::time::Instant;

use crate::cli::ChaosArgs;
use crate::table::PersonItems;

pub(crate) use erase::erase;
pub(crate) use kills::kills;
pub use rotation::RotationArgs;
pub(crate) use rotation::rotation;
pub(crate) use withdraw::withdraw;

use inject::FaultInjector;
use person::{Conduct, Person, first_values};
use plan::{Dice, Rates};
use pulled::Pull;
use report::Report;

/// How long a person waits for any step, before time is scaled: longer than an unknown start and the record after it
/// may take.
const BOUND: Duration = Duration::from_secs(4 * 3600);
/// How long a person who is proofed as another person waits, before time is scaled. Their identity is never verified.
const DOUBT: Duration = Duration::from_secs(120);
/// How long the queues may take to empty at the end, before time is scaled. The message of a killed process is
/// redelivered after its visibility timeout, an hour and a half for a transfer.
const DRAIN: Duration = Duration::from_secs(2 * 3600);
/// How often the queues are polled.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Maximum number of pulls of one person.
const PULLS_MAX: u64 = 3;
/// The latest time of a withdrawal or an erasure after the beginning of a pull, before time is scaled. Most pulls take
/// less long.
const WITHDRAWAL_MAX: Duration = Duration::from_secs(90);
/// How long a person rests after a withdrawal or an erasure, before time is scaled: longer than Metriport's query still
/// runs. While it runs, Metriport would skip sources of the next query.
const REST: Duration = Duration::from_secs(300);
/// On average, one in this many persons is refused at the link, and one is proofed as another person. The others can
/// pull.
const ODD_ONE_IN: u64 = 40;
/// One in this many webhooks or files has an unusual shape.
const VARIED_ONE_IN: u64 = 8;

pub(crate) async fn chaos(args: &ChaosArgs) -> Result<(), String> {
    let begun = Instant::now();
    let injector = FaultInjector::new(args.seed, rates(args), args.scale);
    let sandbox = sandbox(args, &injector).await?;
    let outcome = tokio::select! {
        outcome = whole(args, &sandbox, &injector) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    let ended = sandbox.shutdown().await.map_err(|error| error.to_string());
    let report = outcome?;
    say(&report.text(begun.elapsed()));
    ended?;
    match report.breaches() {
        0 => Ok(()),
        breaches => Err(format!("{breaches} promises were broken")),
    }
}

fn rates(args: &ChaosArgs) -> Rates {
    if args.calm {
        return Rates::NO_FAULTS;
    }
    Rates {
        webhooks_dropped: args.dropped,
        webhooks_doubled: args.doubled,
        others: 1.0,
        pulls_per_kill: args.pulls_per_kill,
    }
}

async fn sandbox(args: &ChaosArgs, injector: &Arc<FaultInjector>) -> Result<Sandbox, String> {
    Sandbox::start(options(args, injector)?)
        .await
        .map_err(|error| error.to_string())
}

fn options(args: &ChaosArgs, injector: &Arc<FaultInjector>) -> Result<SandboxOptions, String> {
    let mut options = SandboxOptions::new(runner(args.bin_dir.clone())?);
    options.throttled = false;
    options.time_scale = args.scale;
    options.schedule_scale = args.scale;
    options.stand_in = StandInOptions {
        seed: args.seed,
        time_scale: args.scale,
        ..StandInOptions::default()
    };
    if args.logs {
        options.log = Arc::new(|line| ias::report::say_error(&format!("[{}] {}", line.function, line.text)));
    }
    injector.enter(&mut options);
    Ok(options)
}

/// First one person of each kind pulls without faults, to measure the usual cost; then the faults begin.
async fn whole(args: &ChaosArgs, sandbox: &Sandbox, injector: &Arc<FaultInjector>) -> Result<Report, String> {
    let reference = run_pulls(args, sandbox, injector, reference_persons()).await?;
    drain(args, sandbox).await?;
    let usual = facts::usual(&reference, &injector.calls());
    injector.set_enabled(true);
    if !args.calm {
        sandbox.stand_in().vary(Variants::OneIn(VARIED_ONE_IN));
    }
    let pulled = run_pulls(args, sandbox, injector, persons(args)).await?;
    // Faults end before the drain, so that retries and redeliveries can finish.
    injector.set_enabled(false);
    drain(args, sandbox).await?;
    let injections = injector.injections();
    let facts = facts::of(sandbox, &pulled, &usual, (&injector.calls(), &injections));
    let all: Vec<Pull> = reference.into_iter().chain(pulled).collect();
    let strays = facts::strays(sandbox, &all).await?;
    let erased = erase::check_erased(sandbox, &all).await?;
    Ok(Report::new(args, facts, (strays, erased), (&injections, sandbox)))
}

/// A person of the pull, and the number of their pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PlannedPerson {
    subject: String,
    persona: Persona,
    conduct: Conduct,
    pulls: u32,
}

fn reference_persons() -> Vec<PlannedPerson> {
    let planned = |persona: &Persona| PlannedPerson {
        subject: format!("calm-{persona}"),
        persona: *persona,
        conduct: Conduct::Pulls,
        pulls: if is_odd(*persona) { 1 } else { 2 },
    };
    Persona::ALL.iter().map(planned).collect()
}

/// Whether a pull of this persona is never accepted.
const fn is_odd(persona: Persona) -> bool {
    matches!(persona, Persona::WrongExternalId | Persona::OtherPerson)
}

/// The persons of a chaos run, drawn by the seed.
fn persons(args: &ChaosArgs) -> Vec<PlannedPerson> {
    let (dice, mut planned_persons, mut left) = (Dice::new(args.seed ^ 0x9e37_79b9), Vec::new(), args.pulls);
    while left > 0 {
        let persona = persona(&dice);
        let most = if is_odd(persona) { 1 } else { PULLS_MAX };
        let pulls = u32::try_from(1 + dice.below(most)).unwrap_or(1).min(left);
        left -= pulls;
        planned_persons.push(PlannedPerson {
            subject: format!("user-{}-{}", args.seed, planned_persons.len()),
            persona,
            conduct: draw_conduct(args, &dice, pulls),
            pulls,
        });
    }
    planned_persons
}

fn persona(dice: &Dice) -> Persona {
    match dice.below(ODD_ONE_IN) {
        0 => Persona::WrongExternalId,
        1 => Persona::OtherPerson,
        2..=5 => Persona::NoData,
        6..=9 => Persona::SilentSource,
        10..=13 => Persona::SlowSource,
        14..=17 => Persona::SandboxSources,
        _ => Persona::Ordinary,
    }
}

/// Only a person who pulls again withdraws or reports: the later pull shows that a new consent works, or that the
/// quarantine holds. An erased person returns only to pull again.
fn draw_conduct(args: &ChaosArgs, dice: &Dice, pulls: u32) -> Conduct {
    let (latest, rest) = (WITHDRAWAL_MAX / args.scale.max(1), REST / args.scale.max(1));
    let after = || Duration::from_millis(dice.below(u64::try_from(latest.as_millis()).unwrap_or(u64::MAX)));
    if dice.hits(args.erasing) {
        let rest = (pulls > 1).then_some(rest);
        return Conduct::Erases { after: after(), rest };
    }
    if pulls < 2 {
        return Conduct::Pulls;
    }
    if !dice.hits(args.withdrawing) {
        return match dice.hits(args.reporting) {
            true => Conduct::Reports,
            false => Conduct::Pulls,
        };
    }
    Conduct::Withdraws { after: after(), rest }
}

/// Lets all persons pull, `at_once` at a time.
async fn run_pulls(
    args: &ChaosArgs,
    sandbox: &Sandbox,
    injector: &FaultInjector,
    planned_persons: Vec<PlannedPerson>,
) -> Result<Vec<Pull>, String> {
    let mut waiting = VecDeque::with_capacity(planned_persons.len());
    for planned in planned_persons {
        waiting.push_back((create_person(args, sandbox, &planned).await?, planned.pulls));
    }
    let waiting = Mutex::new(waiting);
    let workers = (0..args.at_once.max(1)).map(|_| run_worker(injector, &waiting));
    Ok(join_all(workers).await.into_iter().flatten().collect())
}

/// One worker: person after person, pull after pull.
async fn run_worker(injector: &FaultInjector, waiting: &Mutex<VecDeque<(Person, u32)>>) -> Vec<Pull> {
    let mut pulled = Vec::new();
    while let Some((person, pulls)) = next(waiting) {
        for number in 0..pulls {
            injector.pull_begins();
            pulled.push(person.pull(number == 0).await);
        }
    }
    pulled
}

/// Takes the next entry.
fn next<T>(waiting: &Mutex<VecDeque<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

async fn create_person(args: &ChaosArgs, sandbox: &Sandbox, planned: &PlannedPerson) -> Result<Person, String> {
    let (subject, persona) = (planned.subject.as_str(), planned.persona);
    let token = sandbox.token(subject, &Map::new()).map_err(|error| error.to_string())?;
    Ok(Person {
        subject: planned.subject.clone(),
        persona: planned.persona,
        conduct: planned.conduct,
        withdrawn_ms: OnceLock::new(),
        reported: OnceLock::new(),
        receipt: OnceLock::new(),
        values: first_values(subject, persona, &token),
        items: PersonItems::of(sandbox, subject).await?,
        app: App::new(sandbox.host().base_url(), &token).map_err(|error| error.to_string())?,
        browser: Browser::new().map_err(|error| error.to_string())?,
        bound: BOUND / args.scale.max(1),
        doubt: DOUBT / args.scale.max(1),
    })
}

/// Waits until the queues are empty and no function runs.
async fn drain(args: &ChaosArgs, sandbox: &Sandbox) -> Result<(), String> {
    let (begun, bound) = (Instant::now(), DRAIN / args.scale.max(1));
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    loop {
        ticks.tick().await;
        let busy = busy(sandbox);
        if busy.is_empty() && sandbox.host().in_flight() == 0 {
            return Ok(());
        }
        if begun.elapsed() >= bound {
            return Err(format!("messages are left in queues: {}", busy.join(", ")));
        }
    }
}

/// Source queues that are not empty, with the number of their messages.
pub(crate) fn busy(sandbox: &Sandbox) -> Vec<String> {
    let depths = sandbox.aws().queues().depths();
    let sources = depths.iter().filter(|(name, _)| !name.ends_with("DeadLetters"));
    let held = sources.map(|(name, depth)| (name, depth.visible + depth.in_flight + depth.delayed));
    let held = held.filter(|(_, held)| *held > 0);
    held.map(|(name, held)| format!("{name} {held}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_decides_the_persons_and_their_pulls_add_up() {
        let of = |seed| {
            persons(&ChaosArgs {
                seed,
                pulls: 300,
                ..ChaosArgs::default()
            })
        };
        let planned_persons = of(1);
        assert_eq!(planned_persons.iter().map(|planned| planned.pulls).sum::<u32>(), 300);
        assert_eq!(planned_persons, of(1));
        assert_ne!(planned_persons, of(2));
        assert!(
            Persona::ALL
                .iter()
                .all(|persona| planned_persons.iter().any(|planned| planned.persona == *persona))
        );
        let is_reporting = |planned: &&PlannedPerson| planned.conduct == Conduct::Reports;
        let reporting = planned_persons.iter().filter(is_reporting).count();
        let is_erasing = |planned: &PlannedPerson| matches!(planned.conduct, Conduct::Erases { .. });
        assert!(planned_persons.iter().filter(|planned| is_erasing(planned)).count() > 5);
        let mut others = planned_persons
            .iter()
            .filter(|planned| planned.conduct != Conduct::Pulls && !is_erasing(planned));
        assert!(reporting > 2 && others.clone().count() > reporting + 5);
        assert!(others.all(|planned| planned.pulls > 1));
    }
}
