//! The output of the command: seed, scale, faults, verdict.

use std::collections::BTreeMap;
use std::time::Duration;

use sandbox_machine::Sandbox;

use super::evidence::{self, Injection};
use super::facts::Strays;
use super::judge::{self, Breach, EXTRA_CALLS_MAX, Facts, Hit, tally};
use super::plan::Kind;
use crate::cli::ChaosArgs;

pub(super) struct Report {
    seed: u64,
    scale: u32,
    calm: bool,
    injected: BTreeMap<Kind, usize>,
    facts: Vec<Facts>,
    strays: Strays,
    /// Erased persons, and what breaks the promises to them.
    erased: (String, Vec<String>),
    dead_letters: BTreeMap<String, usize>,
    too_many_requests: u64,
}

impl Report {
    pub(super) fn new(
        args: &ChaosArgs,
        facts: Vec<Facts>,
        (strays, erased): (Strays, (String, Vec<String>)),
        (injections, sandbox): (&[Injection], &Sandbox),
    ) -> Self {
        let depths = sandbox.aws().queues().depths();
        let dead = depths.iter().filter(|(name, _)| name.ends_with("DeadLetters"));
        let dead = dead.map(|(name, depth)| (name.clone(), depth.visible + depth.in_flight));
        Self {
            seed: args.seed,
            scale: args.scale,
            calm: args.calm,
            injected: evidence::counts(injections),
            facts,
            strays,
            erased,
            dead_letters: dead.filter(|(_, count)| *count > 0).collect(),
            too_many_requests: sandbox.stand_in().stats().limited(),
        }
    }

    /// The number of broken promises. A kind of fault that never occurred counts as one, because the pull proves
    /// nothing about it.
    pub(super) fn breaches(&self) -> usize {
        let of_pulls = self.facts.iter().map(|facts| facts.breaches().len()).sum::<usize>();
        let dead_letters = self.dead_letters.values().sum::<usize>();
        let busy = usize::try_from(self.too_many_requests).unwrap_or(usize::MAX);
        of_pulls
            + self.erased.1.len()
            + self.strays.pulls
            + self.strays.queries
            + dead_letters
            + busy
            + self.absent().len()
    }

    /// Kinds of faults that never occurred, if the pull was long enough for all of them.
    fn absent(&self) -> Vec<&'static str> {
        if self.calm || self.facts.len() < ENOUGH_PULLS {
            return Vec::new();
        }
        let absent = Kind::ALL.iter().filter(|kind| !self.injected.contains_key(kind));
        absent.map(|kind| kind.name()).collect()
    }

    pub(super) fn text(&self, took: Duration) -> String {
        let parts = [
            vec![self.head(took)],
            self.faults(),
            titled(
                "Allowed endings of a pull, by persona and by the fault that hit its start",
                judge::table(),
            ),
            self.pulls(),
        ];
        parts.concat().join("\n")
    }

    /// The parameters of the pull and its duration.
    pub(super) fn head(&self, took: Duration) -> String {
        format!(
            "{} pulls, seed {}, time scale {} (a minute is {} ms), {} s in all",
            self.facts.len(),
            self.seed,
            self.scale,
            60_000 / self.scale.max(1),
            took.as_secs()
        )
    }

    /// The results of the pulls.
    pub(super) fn pulls(&self) -> Vec<String> {
        let parts = [
            titled("Endings of the pulls", self.states()),
            titled("Promises", self.promises()),
            self.stories(),
        ];
        parts.concat()
    }

    fn faults(&self) -> Vec<String> {
        let lines = Kind::ALL.iter().map(|kind| {
            let count = self.injected.get(kind).copied().unwrap_or_default();
            format!("  {:<34}{count:>7}", kind.name())
        });
        titled("Faults injected", lines.collect())
    }

    fn states(&self) -> Vec<String> {
        let kinds = self
            .facts
            .iter()
            .map(|facts| (facts.persona.name(), facts.state.clone()));
        let hit = |persona: &str, state: &str| {
            let these = self
                .facts
                .iter()
                .filter(|facts| facts.persona.name() == persona && facts.state == state);
            these.filter(|facts| !facts.hits.is_empty()).count()
        };
        let counted = tally(kinds).into_iter().map(|((persona, state), count)| {
            let hit = hit(persona, &state);
            format!("  {persona:<18}  {state:<36}{count:>6}   start hit: {hit}")
        });
        counted.collect()
    }

    /// The first pulls that broke a promise or made over half of the allowed extra calls, with their timelines.
    fn stories(&self) -> Vec<String> {
        let broken = self.facts.iter().filter(|facts| !facts.breaches().is_empty());
        let dearest = self
            .facts
            .iter()
            .filter(|facts| facts.extra_calls() > EXTRA_CALLS_MAX / 2);
        let stories = broken.chain(dearest).take(STORIES_MAX).map(|facts| {
            let (persona, state, story) = (facts.persona.name(), &facts.state, &facts.story);
            let hits: Vec<_> = facts.hits.iter().map(|hit| hit.name()).collect();
            format!("  {persona}, {state} [{}]: {story}", hits.join(", "))
        });
        let stories: Vec<_> = stories.collect();
        if stories.is_empty() {
            stories
        } else {
            titled(
                "Pulls that broke a promise, or made over half of the allowed extra calls",
                stories,
            )
        }
    }

    fn promises(&self) -> Vec<String> {
        let queries = tally(self.facts.iter().map(|facts| facts.upstream_queries));
        let queries = queries.iter().map(|(queries, pulls)| format!("{queries}: {pulls}"));
        let extra = self.facts.iter().map(Facts::extra_calls);
        let (most, sum) = (extra.clone().max().unwrap_or_default(), extra.sum::<i64>());
        let mut lines = vec![
            format!(
                "  upstream queries per pull             {}",
                queries.collect::<Vec<_>>().join(", ")
            ),
            format!(
                "  upstream calls beyond the usual ones  {sum} in all, at most {most} in a pull ({EXTRA_CALLS_MAX} allowed)"
            ),
        ];
        let withdrawn = self.facts.iter().filter(|facts| facts.hits.contains(&Hit::Withdrawn));
        lines.push(format!("  pulls with a withdrawal or an erasure {}", withdrawn.count()));
        let (erased, breaches) = &self.erased;
        lines.push(format!("  erased persons                        {erased}"));
        lines.extend(breaches.iter().map(|breach| format!("  BROKEN: {breach}")));
        let broken = tally(self.facts.iter().flat_map(Facts::breaches));
        for breach in [
            Breach::State,
            Breach::Lost,
            Breach::Doubled,
            Breach::Hung,
            Breach::Calls,
            Breach::Late,
        ] {
            let count = broken.get(&breach).copied().unwrap_or_default();
            lines.push(format!("  {:<36}  {count}", breach.name()));
        }
        let dead_letters = self
            .dead_letters
            .iter()
            .map(|(queue, count)| format!("{queue}: {count}"));
        let dead_letters = dead_letters.collect::<Vec<_>>().join(", ");
        lines.push(format!("  unrequested pulls                     {}", self.strays.pulls));
        lines.push(format!(
            "  unrequested network queries           {}",
            self.strays.queries
        ));
        lines.push(format!(
            "  dead letters                          {}",
            or_none(&dead_letters)
        ));
        lines.push(format!(
            "  429s of the stand-in's own limiter    {}",
            self.too_many_requests
        ));
        lines.push(format!(
            "  kinds of faults that never occurred   {}",
            or_none(&self.absent().join(", "))
        ));
        lines.push(format!("  broken promises in all                {}", self.breaches()));
        lines
    }
}

const STORIES_MAX: usize = 12;

/// In a pull with this many pulls, every kind of fault should occur.
const ENOUGH_PULLS: usize = 500;

fn or_none(list: &str) -> &str {
    if list.is_empty() { "0" } else { list }
}

fn titled(title: &str, lines: Vec<String>) -> Vec<String> {
    [vec![String::new(), title.to_owned()], lines].concat()
}
