//! `proofs kills`: one pull for each point at which a process can die. A pull without faults first counts the points:
//! before and after every call and every invocation of every function. Then each point gets its own pull, in which the
//! function is killed there.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use futures_util::future::try_join_all;
use ias::report::say;
use sandbox_machine::Sandbox;
use sandbox_metriport::Persona;

use super::inject::{FaultInjector, Occasion, Strike};
use super::judge::{Facts, tally};
use super::plan::Rates;
use super::{PlannedPerson, create_person, drain, facts, next, sandbox};
use crate::cli::KillsArgs;

/// The result of one kill.
struct Outcome {
    strike: Strike,
    /// Whether the kill happened. Some occasions depend on timing, and do not occur in every pull.
    struck: bool,
    facts: Facts,
    strays: usize,
}

pub(crate) async fn kills(args: &KillsArgs) -> Result<(), String> {
    let places = strikes(args).await?;
    let every = usize::try_from(args.every.max(1)).unwrap_or(1);
    let waiting = Mutex::new(places.into_iter().step_by(every).collect());
    let workers = (0..args.at_once.max(1)).map(|number| work(args, number, &waiting));
    let outcomes = try_join_all(workers).await?.into_iter().flatten().collect::<Vec<_>>();
    report(args, &outcomes)
}

/// Every point of a pull without faults, each as a planned kill.
async fn strikes(args: &KillsArgs) -> Result<VecDeque<Strike>, String> {
    let injector = FaultInjector::new(args.seed, Rates::NO_FAULTS, args.scale);
    let sandbox = sandbox(&args.chaos_args(), &injector).await?;
    let before = injector.occasions();
    let pulled = pull(args, &sandbox, "reference").await;
    let after = injector.occasions();
    sandbox.shutdown().await.map_err(|error| error.to_string())?;
    pulled?;
    Ok(enumerate(&before, &after))
}

fn enumerate(before: &BTreeMap<Occasion, u64>, after: &BTreeMap<Occasion, u64>) -> VecDeque<Strike> {
    let places = after.iter().flat_map(|(occasion, count)| {
        let earlier = before.get(occasion).copied().unwrap_or_default();
        (0..count.saturating_sub(earlier)).map(move |skips| (*occasion, skips))
    });
    let strikes = places.map(|((kind, function), skips)| Strike {
        kind,
        function: function.to_owned(),
        skips,
    });
    strikes.collect()
}

async fn pull(args: &KillsArgs, sandbox: &Sandbox, subject: &str) -> Result<super::Pull, String> {
    let planned = PlannedPerson {
        subject: subject.to_owned(),
        persona: Persona::Ordinary,
        pulls: 1,
    };
    Ok(create_person(&args.chaos_args(), sandbox, &planned)?.pull(true).await)
}

/// One worker, which makes one kill after the other. It has its own sandbox, because a kill ends all processes of a
/// function.
async fn work(args: &KillsArgs, number: u32, waiting: &Mutex<VecDeque<Strike>>) -> Result<Vec<Outcome>, String> {
    let injector = FaultInjector::new(args.seed, Rates::NO_FAULTS, args.scale);
    let sandbox = sandbox(&args.chaos_args(), &injector).await?;
    let mut outcomes = Vec::new();
    while let Some(strike) = next(waiting) {
        outcomes.push(one(args, &sandbox, &injector, (strike, number, outcomes.len())).await?);
    }
    sandbox.shutdown().await.map_err(|error| error.to_string())?;
    Ok(outcomes)
}

async fn one(
    args: &KillsArgs,
    sandbox: &Sandbox,
    injector: &FaultInjector,
    (strike, worker, number): (Strike, u32, usize),
) -> Result<Outcome, String> {
    injector.strike(strike.clone());
    let pulled = pull(args, sandbox, &format!("killed-{worker}-{number}")).await?;
    // Read before `set_enabled`, which drops planned kills.
    let struck = injector.waiting() == 0;
    injector.set_enabled(false);
    drain(&args.chaos_args(), sandbox).await?;
    let injections = injector.injections();
    let pulls = [pulled];
    let mut facts = facts::of(sandbox, &pulls, &BTreeMap::new(), (&[], &injections));
    let strays = facts::strays_of(sandbox, &pulls).await?;
    let facts = facts.pop().ok_or("the pull has no facts")?;
    Ok(Outcome {
        strike,
        struck,
        facts,
        strays,
    })
}

fn report(args: &KillsArgs, outcomes: &[Outcome]) -> Result<(), String> {
    say(&format!(
        "{} kills, one in each pull, time scale {}",
        outcomes.len(),
        args.scale
    ));
    let struck = |outcome: &&Outcome| outcome.struck;
    let places = tally(outcomes.iter().filter(struck).map(|outcome| {
        let of = outcomes
            .iter()
            .filter(|other| other.strike.function == outcome.strike.function);
        (outcome.strike.function.clone(), of.count(), outcome.strike.kind.name())
    }));
    for ((function, of, kind), count) in places {
        say(&format!("  {function:<18}  {kind:<28}{count:>4} of {of} places"));
    }
    for (state, count) in tally(outcomes.iter().map(|outcome| outcome.facts.state.clone())) {
        say(&format!("  ended {state:<34}{count:>5}"));
    }
    let idle = outcomes.iter().filter(|outcome| !outcome.struck).count();
    say(&format!("  places that the pull did not reach     {idle}"));
    let broken: Vec<_> = outcomes.iter().filter_map(breach).collect();
    broken.iter().for_each(|line| say(line));
    match broken.len() {
        0 => Ok(()),
        breaches => Err(format!("{breaches} kills broke a promise")),
    }
}

fn breach(outcome: &Outcome) -> Option<String> {
    let breaches = outcome.facts.breaches();
    if breaches.is_empty() && outcome.strays == 0 {
        return None;
    }
    let words: Vec<_> = breaches.iter().map(|breach| breach.name()).collect();
    let Strike { kind, function, skips } = &outcome.strike;
    Some(format!(
        "  BROKEN: {function} {}, number {}: {} ({}; {} unrequested): {}",
        kind.name(),
        skips + 1,
        words.join(", "),
        outcome.facts.state,
        outcome.strays,
        outcome.facts.story
    ))
}

#[cfg(test)]
mod tests {
    use super::super::plan::Kind;
    use super::*;

    #[test]
    fn each_occasion_of_the_pull_gets_one_kill() {
        let before = BTreeMap::from([((Kind::KilledBeforeCall, "reconcile"), 2)]);
        let after = BTreeMap::from([
            ((Kind::KilledBeforeCall, "reconcile"), 3),
            ((Kind::KilledAfterCall, "query-dispatch"), 2),
        ]);
        let strikes = enumerate(&before, &after);
        assert_eq!(strikes.len(), 3);
        let skips: Vec<_> = strikes
            .iter()
            .filter(|strike| strike.kind == Kind::KilledAfterCall)
            .map(|strike| strike.skips)
            .collect();
        assert_eq!(skips, [0, 1]);
    }
}
