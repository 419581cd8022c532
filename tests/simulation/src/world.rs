//! The simulated world: clock, table, queues, running functions, Metriport and persons. A choice changes the world.

mod bucket;
mod erasures;
mod fingerprint;
mod networks;
mod people;
mod queues;
mod tasks;

use std::collections::BTreeMap;
use std::time::Duration;

use shared::domain::{ChallengeId, PullId, Time, Timing};

use crate::Sabotage;
use crate::choice::Choice;
use crate::functions::Job;
use crate::rules::{self, HiddenFacts, Violation};
use crate::store::{Key, Store};
use crate::task::Task;
use crate::upstream::Upstream;

use bucket::Bucket;
pub(crate) use bucket::Object;
use queues::Message;

/// Maximum number of functions that run at once.
pub(crate) const TASKS_MAX: usize = 6;

/// Events of a world, counted by name.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Time,
    skew: i64,
    pub(crate) timing: Timing,
    pub(crate) sabotage: Option<Sabotage>,
    pace: Duration,
    pub(crate) store: Store,
    /// When each row outside the persons' partitions was written, because an index shows a row only later.
    row_times: BTreeMap<Key, Time>,
    pub(crate) bucket: Bucket,
    pub(crate) messages: Vec<Message>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) upstream: Upstream,
    /// The challenges of which each person knows, oldest first.
    pub(crate) known_challenges: BTreeMap<u8, Vec<ChallengeId>>,
    numbers: Numbers,
    pub(crate) facts: HiddenFacts,
    pub(crate) tally: Tally,
    pub(crate) words: Option<Vec<String>>,
    pub(crate) violation: Option<Violation>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    messages: u32,
    pulls: u32,
    requested_records: u32,
    marks: u32,
    links: u32,
    erasures: u32,
}

impl World {
    pub(crate) fn new(sabotage: Option<Sabotage>, pace: Duration) -> Self {
        Self {
            now: Time::from_millis(1_800_000_000_000),
            skew: 0,
            timing: Timing::default(),
            sabotage,
            pace,
            store: Store::default(),
            row_times: BTreeMap::new(),
            bucket: Bucket::default(),
            messages: Vec::new(),
            tasks: Vec::new(),
            upstream: Upstream::default(),
            known_challenges: BTreeMap::new(),
            numbers: Numbers::default(),
            facts: HiddenFacts::default(),
            tally: Tally::new(),
            words: None,
            violation: None,
        }
    }

    pub(crate) fn clock(&self) -> Time {
        Time::from_millis(self.now.millis() + self.skew)
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(words) = &mut self.words {
            words.push(format!("{now}  {}", line()));
        }
    }

    /// Keeps the first broken rule.
    pub(crate) fn judge(&mut self, violation: Option<Violation>) {
        if let Some(violation) = violation.filter(|_| self.violation.is_none()) {
            self.say(|| format!("RULE {} BROKEN: {}", violation.rule, violation.what));
            self.violation = Some(violation);
        }
    }

    /// Applies a choice; `false` if it had no subject.
    pub(crate) fn apply(&mut self, choice: Choice) -> bool {
        match choice {
            Choice::Ask(person, request) => self.ask(person, request),
            Choice::Step(at) => self.pick_task(at).is_some_and(|task| self.step(task, None)),
            Choice::Finish(at) => self.pick_task(at).is_some_and(|task| self.finish(task)),
            Choice::Fault(at, fault) => self.pick_task(at).is_some_and(|task| self.fault(task, fault)),
            Choice::Crash(at) => self.pick_task(at).is_some_and(|task| self.crash(task, "crashes")),
            Choice::Receive(at) => self.receive(at),
            Choice::Copy(at) => self.copy(at),
            Choice::Webhook(at, arrival) => self.webhook(at, arrival),
            Choice::Page(at, pass) => self.pass_page(at, pass),
            Choice::Source(at, ending) => self.end_source(at, ending),
            Choice::Consolidated(at, yields) => self.end_consolidated(at, yields),
            Choice::Tick => {
                self.count("schedule ticks");
                self.spawn(Job::Reconcile, None)
            }
            Choice::WaitForNext => self.next_due().is_some_and(|next| {
                self.count("clock moves to the next event");
                self.move_clock(next)
            }),
            Choice::Jump(seconds) => {
                self.count("clock jumps");
                self.move_clock(self.now.plus(Duration::from_secs(u64::from(seconds))))
            }
            Choice::Skew(tenths) => {
                self.count("clock skewed");
                self.skew = i64::from(tenths) * 100;
                true
            }
        }
    }

    fn pick_task(&self, at: u8) -> Option<usize> {
        round(at, self.tasks.len())
    }

    /// The next time at which something happens without a choice: a message becomes visible, work becomes overdue, or a
    /// check for replays is due.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let visible_at = self.messages.iter().map(|message| message.visible_at);
        let overdue = self.store.due().map(|(due_at, _)| due_at.plus(self.timing.overdue()));
        let replays = self.store.get(&Key::Replays).and_then(|item| item.replays());
        let check = replays.map(|replays| replays.check_at).unwrap_or_default();
        let check = (!self.upstream.failed.is_empty()).then_some(check);
        let erasures = self.store.erasures().filter_map(|job| job.due_at);
        let next = visible_at.chain(overdue).chain(check).chain(erasures);
        next.filter(|next| *next > self.now).min()
    }

    /// Whether a tick of `reconcile` would find anything now.
    pub(crate) fn reconciler_has_work(&self) -> bool {
        if self.sabotage == Some(Sabotage::NoReconciler) {
            return false;
        }
        let before = self.now.minus(self.timing.overdue());
        let replays = self.store.get(&Key::Replays).and_then(|item| item.replays());
        let check_at = replays.map(|replays| replays.check_at).unwrap_or_default();
        let replays_due = !self.upstream.failed.is_empty() && self.now >= check_at;
        // Work is overdue only after a function had time to act on the work's own message.
        replays_due
            || !self.store.overdue(before).is_empty()
            || self
                .unfinished_erasures()
                .iter()
                .any(|erasure| erasure.due_at <= self.now)
    }

    /// Moves the clock, and kills the functions that exceed their time limit.
    pub(crate) fn move_clock(&mut self, to: Time) -> bool {
        self.now = self.now.max(to);
        while let Some(over) = self.tasks.iter().position(|task| task.until <= self.now) {
            self.crash(over, "is killed at its time limit");
        }
        self.say(|| "the clock has moved on".to_owned());
        let violation = rules::standing(self);
        self.judge(violation);
        true
    }

    pub(crate) const fn set_clocks_right(&mut self) {
        self.skew = 0;
    }

    pub(crate) fn pull(&self, id: PullId) -> Option<&shared::domain::pull::Pull> {
        self.store.pulls().find(|(_, pull)| pull.id == id).map(|(_, pull)| pull)
    }
}

/// Position `at` modulo `len`.
pub(crate) fn round(at: u8, len: usize) -> Option<usize> {
    usize::from(at).checked_rem(len)
}
