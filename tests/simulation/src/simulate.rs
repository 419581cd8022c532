//! Draws histories from one seed until one breaks a rule or enough steps were made.

use std::collections::BTreeMap;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use crate::Outcome;
use crate::choice::{Choice, Sabotage};
use crate::rest::{Networks, RESTING, bring_to_rest};
use crate::rules::Violation;
use crate::schedule::{Beginning, again, draw, run};
use crate::shrink::shrink;
use crate::world::{Tally, World};

/// The parameters of a simulation.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Steps over all histories, without the steps that bring a history to rest.
    pub steps: u64,
    /// The seed of the schedules.
    pub seed: u64,
    /// Steps of one history before it is brought to rest.
    pub episode: u64,
    /// The deliberate defect, if any.
    pub sabotage: Option<Sabotage>,
}

impl Options {
    /// This many steps from this seed, without a deliberate defect.
    #[must_use]
    pub const fn new(steps: u64, seed: u64) -> Self {
        Self {
            steps,
            seed,
            episode: 400,
            sabotage: None,
        }
    }
}

/// The result of a simulation.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Steps made.
    pub steps: u64,
    /// Histories.
    pub episodes: u64,
    /// Events by name.
    pub events: BTreeMap<&'static str, u64>,
    /// Pulls at rest, by the networks' behaviour and by state.
    pub pulls: BTreeMap<String, u64>,
    /// Records at rest, counted in the same way.
    pub records: BTreeMap<String, u64>,
    /// The first broken rule.
    pub failure: Option<Failure>,
}

/// A broken rule and the steps that break it.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The broken rule.
    pub violation: Violation,
    /// Steps of the history before it was reduced.
    pub drawn: usize,
    /// Steps that are needed.
    pub needed: usize,
    /// The reduced history in words, with everything that follows it without a choice.
    pub trace: Vec<String>,
}

/// Every event that a long enough simulation must contain.
pub const EVENTS: [&str; 65] = [
    "a person asks",
    "message delivered",
    "message out of order",
    "message duplicated",
    "dead letter",
    "webhook arrives",
    "webhook arrives without metadata",
    "webhook dropped",
    "webhook delivered again",
    "identity page passed",
    "source ends",
    "consolidated query ends",
    "schedule ticks",
    "clock moves to the next event",
    "clock jumps",
    "clock skewed",
    "crash",
    "killed at its time limit",
    "fault: no effect, no answer",
    "fault: effect, no answer",
    "fault: not sent",
    "fault: busy",
    "fault: refused",
    "fault: session refused",
    "fault: identity refused",
    "fault: a source does not start",
    "person is beyond their share",
    "person gets no place",
    "fourth record is refused",
    "equal record is requested",
    "link minted",
    "consent given",
    "consent withdrawn",
    "request without consent is refused",
    "record reported",
    "different record stored",
    "request during a quarantine is refused",
    "erasure requested",
    "erasure finished",
    "request during an erasure is refused",
    "patient deleted",
    "second sweep deletes an item",
    "second sweep deletes an object",
    "person consents after their erasure",
    "fault: the index lacks new rows",
    "pull accepted",
    "pull expired by the clock",
    "run: start claimed",
    "run: started",
    "run: start deferred",
    "run: start refused",
    "run: start unknown",
    "run: start stayed unknown",
    "run: start too late",
    "run: source reported",
    "run: polled",
    "run: poll failed",
    "run: deadline passed",
    "run: record awaited",
    "run: record ended",
    "run: consent withdrawn",
    "record: available",
    "record: empty",
    "record: failed",
    "record: fetching",
];

/// Simulates histories until one breaks a rule or enough steps were made.
#[must_use]
pub fn simulate(options: Options) -> Report {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let mut report = Report {
        seed: options.seed,
        ..Report::default()
    };
    report.events = EVENTS.into_iter().map(|event| (event, 0)).collect();
    while report.steps < options.steps && report.failure.is_none() {
        let length = options.episode.min(options.steps - report.steps);
        let (beginning, choices, world) = draw(&mut rng, options.sabotage, length);
        report.episodes += 1;
        // An exhausted history counts as at least one step, so that the loop ends.
        report.steps += (choices.len() as u64).max(1);
        let mut broken = world.violation.clone();
        for networks in [Networks::Silent, Networks::Answer] {
            let mut resting = world.clone();
            // Both worlds share the events before rest, so count those events once.
            if networks == Networks::Silent {
                resting.tally.clear();
            }
            if broken.is_none() {
                broken = bring_to_rest(&mut resting, networks);
            }
            if broken.is_none() {
                report.add(&resting, networks);
            }
        }
        match broken {
            None => {}
            Some(violation) => report.failure = Some(fail(&violation, beginning, choices, options.sabotage)),
        }
    }
    report
}

fn fail(violation: &Violation, beginning: Beginning, choices: Vec<Choice>, sabotage: Option<Sabotage>) -> Failure {
    let drawn = choices.len();
    let breaks = |choices: &[Choice]| {
        let (_, found) = run(again(beginning, sabotage, false), choices);
        found.is_some_and(|found| found.rule == violation.rule)
    };
    let needed = shrink(choices, breaks);
    let (world, found) = run(again(beginning, sabotage, true), &needed);
    Failure {
        violation: found.unwrap_or_else(|| violation.clone()),
        drawn,
        needed: needed.len(),
        trace: [format!("begins: {beginning:?}")]
            .into_iter()
            .chain(world.words.unwrap_or_default())
            .collect(),
    }
}

impl Report {
    fn add(&mut self, world: &World, networks: Networks) {
        add(&mut self.events, &world.tally);
        for (_, pull) in world.store.pulls() {
            *self.pulls.entry(format!("{networks:?}/{:?}", pull.state)).or_default() += 1;
        }
        for (_, record) in world.store.records() {
            *self
                .records
                .entry(format!("{networks:?}/{:?}", record.state))
                .or_default() += 1;
        }
    }

    /// Events that should have happened and did not.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let never = |event: &&str| self.events.get(event).is_none_or(|count| *count == 0);
        EVENTS.into_iter().filter(never).collect()
    }

    /// The report in words. Unless `full`, a failure's trace is cut off 40 lines after the schedule ends.
    #[must_use]
    pub fn outcome(&self, full: bool) -> Outcome {
        let mut lines = vec![format!(
            "seed {}: {} steps in {} histories",
            self.seed, self.steps, self.episodes
        )];
        let counted = |name: &str, counts: Vec<String>| format!("{name}: {}", counts.join(", "));
        let of = |counts: &BTreeMap<String, u64>| counts.iter().map(|(name, n)| format!("{name} {n}")).collect();
        let events = self.events.iter().map(|(name, n)| format!("{name} {n}")).collect();
        lines.push(counted("runs", of(&self.pulls)));
        lines.push(counted("records", of(&self.records)));
        lines.push(counted("events", events));
        match &self.failure {
            None => lines.push("no rule is broken".to_owned()),
            Some(failure) => lines.extend(failure.lines(self.seed, full)),
        }
        Outcome {
            lines,
            passed: self.failure.is_none(),
        }
    }
}

impl Failure {
    fn lines(&self, seed: u64, full: bool) -> Vec<String> {
        let Violation { rule, what } = &self.violation;
        let mut lines = vec![
            format!("rule {rule} is broken: {what}"),
            format!(
                "seed {seed}; {} of {} steps are needed, followed by everything that needs no choice:",
                self.needed, self.drawn
            ),
        ];
        let chosen = self.trace.iter().take_while(|line| !line.contains(RESTING)).count();
        let shown = if full {
            self.trace.len()
        } else {
            chosen.saturating_add(40)
        };
        lines.extend(self.trace.iter().take(shown).cloned());
        if shown < self.trace.len() {
            lines.push("… the rest with --trace".to_owned());
        }
        lines
    }
}

fn add(to: &mut Tally, from: &Tally) {
    for (name, count) in from {
        *to.entry(name).or_default() += count;
    }
}
