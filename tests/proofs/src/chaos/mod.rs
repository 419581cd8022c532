//! `proofs chaos`: many whole pulls over real processes with injected faults of every kind, and a verdict on each pull.
//!
//! Time is scaled by dividing durations, never by touching clocks. The seed decides the persons and the random numbers.
//! Which occasion gets which number depends on the timing of the processes, so a seed does not repeat a run exactly.

mod evidence;
mod facts;
mod inject;
mod judge;
mod kills;
mod person;
mod plan;
mod report;
mod rotation;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use ias::report::say;
use sandbox_machine::browser::Browser;
use sandbox_machine::functions::runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Persona, StandInOptions, Variants};
use tokio::time::Instant;

use crate::cli::ChaosArgs;

pub(crate) use kills::kills;
pub use rotation::RotationArgs;
pub(crate) use rotation::rotation;

use inject::Storm;
use person::{Person, Pull};
use plan::{Dice, Rates};
use report::Report;

/// How long a person waits for any step, before time is scaled: longer than an unknown start and the record after it
/// may take.
const BOUND: Duration = Duration::from_secs(4 * 3600);
/// How long a person waits whose proofing never counts, before time is scaled.
const DOUBT: Duration = Duration::from_secs(120);
/// How long the queues may take to empty at the end, before time is scaled. The message of a killed process is
/// redelivered after its visibility timeout, an hour and a half for a transfer.
const DRAIN: Duration = Duration::from_secs(2 * 3600);
/// How often the queues are polled.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Most pulls of one person.
const PULLS_MAX: u64 = 3;
/// One in this many persons is refused at the link, and one is proofed as another person; the rest get to pull.
const ODD_ONE_IN: u64 = 40;
/// One in this many webhooks or files has an unusual shape.
const VARIED_ONE_IN: u64 = 8;

pub(crate) async fn chaos(args: &ChaosArgs) -> Result<(), String> {
    let begun = Instant::now();
    let storm = Storm::new(args.seed, rates(args), args.scale);
    let sandbox = sandbox(args, &storm).await?;
    let outcome = tokio::select! {
        outcome = whole(args, &sandbox, &storm) => outcome,
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
        return Rates::CALM;
    }
    Rates {
        webhooks_dropped: args.dropped,
        webhooks_doubled: args.doubled,
        others: 1.0,
        pulls_per_kill: args.pulls_per_kill,
    }
}

async fn sandbox(args: &ChaosArgs, storm: &Arc<Storm>) -> Result<Sandbox, String> {
    Sandbox::start(options(args, storm)?)
        .await
        .map_err(|error| error.to_string())
}

fn options(args: &ChaosArgs, storm: &Arc<Storm>) -> Result<SandboxOptions, String> {
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
    storm.enter(&mut options);
    Ok(options)
}

/// First one person of each kind pulls without faults, to measure the usual cost; then the faults begin.
async fn whole(args: &ChaosArgs, sandbox: &Sandbox, storm: &Arc<Storm>) -> Result<Report, String> {
    let calm = crowd(args, sandbox, storm, calm_persons()).await?;
    drain(args, sandbox).await?;
    let usual = facts::usual(&calm, &storm.calls());
    storm.blow(true);
    if !args.calm {
        sandbox.stand_in().vary(Variants::OneIn(VARIED_ONE_IN));
    }
    let pulled = crowd(args, sandbox, storm, persons(args)).await?;
    // Faults end before the drain, so that retries and redeliveries can finish.
    storm.blow(false);
    drain(args, sandbox).await?;
    let injections = storm.injections();
    let facts = facts::of(sandbox, &pulled, &usual, (&storm.calls(), &injections));
    let all: Vec<Pull> = calm.into_iter().chain(pulled).collect();
    let strays = facts::strays(sandbox, &all).await?;
    Ok(Report::new(args, facts, strays, (&injections, sandbox)))
}

/// A person of the run, and the number of their pulls.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Guest {
    subject: String,
    persona: Persona,
    pulls: u32,
}

fn calm_persons() -> Vec<Guest> {
    let guest = |persona: &Persona| Guest {
        subject: format!("calm-{persona}"),
        persona: *persona,
        pulls: if is_odd(*persona) { 1 } else { 2 },
    };
    Persona::ALL.iter().map(guest).collect()
}

/// Whether a pull of this persona is never accepted.
const fn is_odd(persona: Persona) -> bool {
    matches!(persona, Persona::WrongExternalId | Persona::OtherPerson)
}

/// The persons of a chaos run, drawn by the seed.
fn persons(args: &ChaosArgs) -> Vec<Guest> {
    let (dice, mut guests, mut left) = (Dice::new(args.seed ^ 0x9e37_79b9), Vec::new(), args.pulls);
    while left > 0 {
        let persona = persona(&dice);
        let most = if is_odd(persona) { 1 } else { PULLS_MAX };
        let pulls = u32::try_from(1 + dice.below(most)).unwrap_or(1).min(left);
        left -= pulls;
        guests.push(Guest {
            subject: format!("user-{}-{}", args.seed, guests.len()),
            persona,
            pulls,
        });
    }
    guests
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

/// Lets all persons pull, `at_once` at a time.
async fn crowd(args: &ChaosArgs, sandbox: &Sandbox, storm: &Storm, guests: Vec<Guest>) -> Result<Vec<Pull>, String> {
    let mut waiting = VecDeque::with_capacity(guests.len());
    for guest in guests {
        waiting.push_back((invite(args, sandbox, &guest)?, guest.pulls));
    }
    let waiting = Mutex::new(waiting);
    let seats = (0..args.at_once.max(1)).map(|_| sit(storm, &waiting));
    Ok(join_all(seats).await.into_iter().flatten().collect())
}

/// One worker: person after person, pull after pull.
async fn sit(storm: &Storm, waiting: &Mutex<VecDeque<(Person, u32)>>) -> Vec<Pull> {
    let mut pulled = Vec::new();
    while let Some((person, pulls)) = next(waiting) {
        for number in 0..pulls {
            storm.pull_begins();
            pulled.push(person.pull(number == 0).await);
        }
    }
    pulled
}

/// Takes the next entry.
fn next<T>(waiting: &Mutex<VecDeque<T>>) -> Option<T> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn invite(args: &ChaosArgs, sandbox: &Sandbox, guest: &Guest) -> Result<Person, String> {
    Ok(Person {
        subject: guest.subject.clone(),
        persona: guest.persona,
        app: sandbox.app(&guest.subject).map_err(|error| error.to_string())?,
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

/// Queues that are not empty, with the number of their messages.
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
    fn the_seed_decides_who_comes_and_the_pulls_add_up() {
        let of = |seed| {
            persons(&ChaosArgs {
                seed,
                pulls: 300,
                ..ChaosArgs::default()
            })
        };
        let guests = of(1);
        assert_eq!(guests.iter().map(|guest| guest.pulls).sum::<u32>(), 300);
        assert_eq!(guests, of(1));
        assert_ne!(guests, of(2));
        assert!(
            Persona::ALL
                .iter()
                .all(|persona| guests.iter().any(|guest| guest.persona == *persona))
        );
    }
}
