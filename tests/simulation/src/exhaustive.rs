//! Searches every history of a small configuration: one verified person and one accepted pull of two sources. Each
//! source answers or fails, and reports that by a webhook. [`Bounds`] limits the faults and the number of functions
//! that run at once.
//!
//! The search also brings copies of each world without a running function to rest: with networks that answer, and with
//! networks that never do. So it checks for each reachable world, and not only for each history, that everything comes
//! to an end. Cycles cannot hide a failure, and neither can histories that lead to the same world.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::choice::{Choice, Ending, Fault, PersonRequest, Pull, WebhookArrival, Yield};
use crate::functions::Job;
use crate::io::{Body, Op};
use crate::rules::Violation;
use crate::schedule::{rest, unhurt, verify};
use crate::task::Task;
use crate::upstream::Call;
use crate::world::World;
use crate::{Outcome, Sabotage};

/// How many faults a history may have, and how far the search goes.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Crashes of functions.
    pub crashes: u8,
    /// Starts of the network query whose answer is lost.
    pub ambiguous: u8,
    /// Webhooks that Metriport delivers again or fails to deliver.
    pub webhook_faults: u8,
    /// Withdrawals of consent, between any two operations of another function. No other operation happens during a
    /// withdrawal.
    pub withdrawals: u8,
    /// Requests for erasure, between any two operations of another function. `account-work` may begin between any two
    /// operations, too. No other operation happens during its work or the request.
    pub erasures: u8,
    /// Moves of the clock while other choices are possible.
    pub clock: u8,
    /// Functions that run at once.
    pub functions: usize,
}

impl Bounds {
    /// One crash anywhere and one start without an answer; functions run one after the other. This search is small
    /// enough for a test on every change.
    pub const CRASH: Self = Self {
        crashes: 1,
        ambiguous: 1,
        webhook_faults: 0,
        withdrawals: 0,
        erasures: 0,
        clock: 0,
        functions: 1,
    };
    /// One withdrawal at any moment, and no fault.
    pub const WITHDRAWAL: Self = Self {
        crashes: 0,
        ambiguous: 0,
        withdrawals: 1,
        ..Self::CRASH
    };
    /// One erasure at any moment, and no fault. Its second sweep comes when the world is brought to rest.
    pub const ERASURE: Self = Self {
        crashes: 0,
        ambiguous: 0,
        erasures: 1,
        ..Self::CRASH
    };
    /// The bounds of the command. A search with all these faults together would take too long. The last bounds are
    /// [`Bounds::WITHDRAWAL`] and [`Bounds::ERASURE`]. Each of the others has one start without an answer, and also:
    /// - a crash and one webhook fault
    /// - two webhook faults
    /// - two functions, interleaved at every operation
    pub const ALL: [Self; 5] = [
        Self {
            webhook_faults: 1,
            ..Self::CRASH
        },
        Self {
            crashes: 0,
            webhook_faults: 2,
            ..Self::CRASH
        },
        Self {
            crashes: 0,
            functions: 2,
            ..Self::CRASH
        },
        Self::WITHDRAWAL,
        Self::ERASURE,
    ];
}

/// The result of a search.
#[derive(Debug, Clone)]
pub struct Explored {
    /// The bounds of the search.
    pub bounds: Bounds,
    /// Different worlds.
    pub states: u64,
    /// Steps between worlds.
    pub transitions: u64,
    /// Worlds that were brought to rest.
    pub rested: u64,
    /// The first broken rule, with the shortest history in words that leads to it.
    pub failure: Option<(Violation, Vec<String>)>,
}

/// The steps that led to a world, newest first. Later worlds share these steps.
struct Path {
    choice: Choice,
    before: Option<Arc<Path>>,
}

#[derive(Clone)]
struct Node {
    world: World,
    left: Bounds,
    path: Option<Arc<Path>>,
}

impl Node {
    fn fingerprint(&self) -> u128 {
        let left = self.left;
        let spent = [
            left.crashes,
            left.ambiguous,
            left.webhook_faults,
            left.withdrawals,
            left.clock,
            left.erasures,
            0,
            0,
        ];
        self.world.fingerprint() ^ (u128::from(u64::from_be_bytes(spent)) << 64)
    }
}

/// Searches each of [`Bounds::ALL`], up to the first broken rule.
#[must_use]
pub fn explore_all() -> Outcome {
    let mut all = Outcome {
        lines: Vec::new(),
        passed: true,
    };
    for bounds in Bounds::ALL {
        if all.passed {
            let outcome = explore(bounds, None).outcome();
            all.lines.extend(outcome.lines);
            all.passed = outcome.passed;
        }
    }
    all
}

/// Searches everything that can happen within the bounds.
#[must_use]
pub fn explore(bounds: Bounds, sabotage: Option<Sabotage>) -> Explored {
    let first = Node {
        world: prepared(sabotage),
        left: bounds,
        path: None,
    };
    let mut explored = Explored {
        bounds,
        states: 1,
        transitions: 0,
        rested: 0,
        failure: None,
    };
    let mut fingerprints = HashSet::from([first.fingerprint()]);
    let mut queue = VecDeque::from([first]);
    while let Some(node) = queue.pop_front() {
        if node.world.tasks.is_empty() {
            explored.rested += 1;
            if let (_, Some(violation)) = rest(node.world.clone()) {
                explored.failure = Some((violation, render_history(node.path.as_ref(), sabotage)));
                return explored;
            }
        }
        for (choice, left) in options(&node) {
            let mut world = node.world.clone();
            if !world.apply(choice) {
                continue;
            }
            explored.transitions += 1;
            let before = node.path.clone();
            let next = Node {
                path: Some(Arc::new(Path { choice, before })),
                world,
                left,
            };
            if let Some(violation) = next.world.violation.clone() {
                explored.failure = Some((violation, render_history(next.path.as_ref(), sabotage)));
                return explored;
            }
            if fingerprints.insert(next.fingerprint()) {
                explored.states += 1;
                queue.push_back(next);
            }
        }
    }
    explored
}

fn prepared(sabotage: Option<Sabotage>) -> World {
    let mut world = World::new(sabotage, Duration::ZERO);
    verify(&mut world, 0);
    unhurt(&mut world, Choice::Ask(0, PersonRequest::OpenChallenge));
    // The pull is accepted without faults. The search decides everything after it.
    unhurt(&mut world, Choice::Ask(0, PersonRequest::Pull(Pull::Proper)));
    world.tally.clear();
    world
}

/// The possible next choices, each with the bounds that remain after it.
fn options(node: &Node) -> Vec<(Choice, Bounds)> {
    let (world, left) = (&node.world, node.left);
    let mut options = Vec::new();
    let place = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    let is_whole = |task: &Task| matches!(task.job, Job::Withdraw { .. } | Job::Erase { .. } | Job::AccountWork(_));
    if let Some(index) = world.tasks.iter().position(is_whole) {
        return vec![(Choice::Finish(place(index)), left)];
    }
    for (index, task) in world.tasks.iter().enumerate() {
        let at = place(index);
        options.push((Choice::Step(at), left));
        if left.crashes > 0 {
            let crashes = left.crashes - 1;
            options.push((Choice::Crash(at), Bounds { crashes, ..left }));
        }
        if left.ambiguous > 0 && matches!(task.pending, Op::Upstream(Call::StartQuery(_))) {
            let ambiguous = left.ambiguous - 1;
            let left = Bounds { ambiguous, ..left };
            options.push((Choice::Fault(at, Fault::Lost), left));
            options.push((Choice::Fault(at, Fault::Unanswered), left));
        }
    }
    if left.withdrawals > 0 {
        let withdrawals = left.withdrawals - 1;
        let left = Bounds { withdrawals, ..left };
        options.push((Choice::Ask(0, PersonRequest::Withdraw), left));
    }
    if left.erasures > 0 {
        let erasures = left.erasures - 1;
        let left = Bounds { erasures, ..left };
        options.push((Choice::Ask(0, PersonRequest::Erase), left));
    }
    received(world, left, &mut options);
    if world.tasks.len() < left.functions {
        upstream(world, left, &mut options);
    }
    if world.tasks.is_empty() && left.clock > 0 {
        let left = Bounds {
            clock: left.clock - 1,
            ..left
        };
        options.push((Choice::WaitForNext, left));
        if world.reconciler_has_work() {
            options.push((Choice::Tick, left));
        }
    }
    options
}

/// Adds the messages that a queue may deliver; equal messages are one choice. `account-work` does not count among the
/// functions that run at once.
fn received(world: &World, left: Bounds, options: &mut Vec<(Choice, Bounds)>) {
    let mut bodies: Vec<&Body> = Vec::new();
    for (at, index) in world.visible().into_iter().enumerate() {
        let Some(message) = world.messages.get(index) else {
            continue;
        };
        let fits = world.tasks.len() < left.functions || matches!(message.body, Body::AccountWork(_));
        if fits && !bodies.contains(&&message.body) {
            bodies.push(&message.body);
            options.push((Choice::Receive(u8::try_from(at).unwrap_or(u8::MAX)), left));
        }
    }
}

fn upstream(world: &World, left: Bounds, options: &mut Vec<(Choice, Bounds)>) {
    let place = |index: usize| u8::try_from(index).unwrap_or(u8::MAX);
    for index in 0..world.upstream.outbox.len() {
        options.push((Choice::Webhook(place(index), WebhookArrival::Arrives), left));
        if left.webhook_faults > 0 {
            let webhook_faults = left.webhook_faults - 1;
            let left = Bounds { webhook_faults, ..left };
            options.push((Choice::Webhook(place(index), WebhookArrival::Dropped), left));
        }
    }
    let history = &world.upstream.history;
    for (index, event) in history.iter().enumerate() {
        let out = world
            .upstream
            .outbox
            .iter()
            .any(|waiting| waiting.message == event.message);
        let identity = matches!(event.event, shared::message::webhook::Event::Identity { .. });
        if left.webhook_faults > 0 && !out && !identity {
            let webhook_faults = left.webhook_faults - 1;
            let left = Bounds { webhook_faults, ..left };
            options.push((Choice::Webhook(place(index), WebhookArrival::Again), left));
        }
    }
    for index in 0..world.upstream.open_sources().len() {
        options.push((Choice::Source(place(index), Ending::Answers), left));
        options.push((Choice::Source(place(index), Ending::Fails), left));
    }
    for index in 0..world.upstream.open_consolidated(world.now).len() {
        options.push((Choice::Consolidated(place(index), Yield::Link), left));
    }
}

fn render_history(path: Option<&Arc<Path>>, sabotage: Option<Sabotage>) -> Vec<String> {
    let mut choices = Vec::new();
    let mut at = path;
    while let Some(step) = at {
        choices.push(step.choice);
        at = step.before.as_ref();
    }
    choices.reverse();
    let mut world = prepared(sabotage);
    world.words = Some(Vec::new());
    let (world, _) = crate::schedule::run(world, &choices);
    world.words.unwrap_or_default()
}

impl Explored {
    /// The verdict in words.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut lines = vec![format!(
            "{:?}: {} states, {} transitions, {} brought to rest",
            self.bounds, self.states, self.transitions, self.rested
        )];
        match &self.failure {
            None => lines.push("no rule is broken, and everything ends".to_owned()),
            Some((violation, words)) => {
                lines.push(format!("rule {} is broken: {}", violation.rule, violation.what));
                lines.extend(words.iter().cloned());
            }
        }
        Outcome {
            lines,
            passed: self.failure.is_none(),
        }
    }
}
