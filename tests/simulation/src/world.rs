//! The world around the domain: clock, table, queues, running functions, Metriport, persons; and how a choice changes
//! it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use shared::Error;
use shared::domain::{ChallengeId, RunId, SourceKind, Time, Timing};
use shared::message::Subject;
use shared::message::webhook::{Event, WebhookEvent};
use shared::queue::QueueError;
use shared::store::StoreError;

use crate::Sabotage;
use crate::choice::{Choice, Deed, Ending, Fate, Fault, Pull, Yield};
use crate::functions::{Job, Presented};
use crate::ids::{self, opaque};
use crate::io::{Body, Op, Reply};
use crate::ports::budget;
use crate::rules::{self, Ghost, Violation};
use crate::store::{Effect, Item, Key, Store, Write};
use crate::task::{Progress, Task, proceed};
use crate::upstream::{self, Answer, Call, Upstream, replayed};
use crate::words;

/// How often a queue hands a message out before it gives it up.
const RECEIVES_MAX: u8 = 5;
/// Most functions at work at once.
pub(crate) const TASKS_MAX: usize = 6;
/// Most pulls in one history.
const RUNS_MAX: u32 = 12;

/// A message in a queue.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    #[serde(skip)]
    pub(crate) number: u32,
    pub(crate) body: Body,
    pub(crate) visible_at: Time,
    pub(crate) receives: u8,
}

impl Body {
    const fn visibility_secs(&self) -> u64 {
        match self {
            Self::Advance(_) => 360,
            Self::Fetch(_) => 5400,
            Self::Webhook(_) => 120,
        }
    }
}

/// What is counted while a world runs, by name.
pub(crate) type Tally = BTreeMap<&'static str, u64>;

/// Everything there is.
#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) now: Time,
    skew: i64,
    pub(crate) timing: Timing,
    pub(crate) sabotage: Option<Sabotage>,
    /// How long an operation takes.
    pace: Duration,
    pub(crate) store: Store,
    pub(crate) messages: Vec<Message>,
    pub(crate) tasks: Vec<Task>,
    pub(crate) upstream: Upstream,
    /// The challenges each person was told of, oldest first.
    pub(crate) told: BTreeMap<u8, Vec<ChallengeId>>,
    numbers: Numbers,
    pub(crate) ghost: Ghost,
    pub(crate) tally: Tally,
    /// What happened in words, if anybody wants to know.
    pub(crate) words: Option<Vec<String>>,
    pub(crate) violation: Option<Violation>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    messages: u32,
    runs: u32,
    asked: u32,
    marks: u32,
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
            messages: Vec::new(),
            tasks: Vec::new(),
            upstream: Upstream::default(),
            told: BTreeMap::new(),
            numbers: Numbers::default(),
            ghost: Ghost::default(),
            tally: Tally::new(),
            words: None,
            violation: None,
        }
    }

    /// What machines read off their clocks.
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

    /// Does what was chosen; whether there was anything to do.
    pub(crate) fn apply(&mut self, choice: Choice) -> bool {
        match choice {
            Choice::Ask(person, deed) => self.ask(person, deed),
            Choice::Step(at) => self.pick_task(at).is_some_and(|task| self.step(task, None)),
            Choice::Finish(at) => self.pick_task(at).is_some_and(|task| self.finish(task)),
            Choice::Fault(at, fault) => self.pick_task(at).is_some_and(|task| self.fault(task, fault)),
            Choice::Crash(at) => self.pick_task(at).is_some_and(|task| self.crash(task, "crashes")),
            Choice::Receive(at) => self.receive(at),
            Choice::Copy(at) => self.copy(at),
            Choice::Webhook(at, fate) => self.webhook(at, fate),
            Choice::Page(at, pass) => self.pass_page(at, pass),
            Choice::Source(at, ending) => self.end_source(at, ending),
            Choice::Consolidated(at, yields) => self.end_consolidated(at, yields),
            Choice::Tick => {
                self.count("schedule ticks");
                self.spawn(Job::Reconcile, None)
            }
            Choice::WaitForNext => self.next_due().is_some_and(|next| {
                self.count("clock runs on");
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

    fn ask(&mut self, person: u8, deed: Deed) -> bool {
        if self.tasks.len() >= TASKS_MAX {
            return false;
        }
        let job = match deed {
            Deed::Link(variant) => Job::Link {
                person,
                demographics: match variant {
                    0 => person * 10,
                    1 => person * 10 + 1,
                    _ => (person + 1) % 3 * 10,
                },
            },
            Deed::OpenSession => {
                self.numbers.marks += 1;
                let mark = ids::mark(person, self.numbers.marks);
                Job::OpenSession { person, mark }
            }
            Deed::OpenChallenge => Job::OpenChallenge { person },
            Deed::AskRecord(variant) => {
                self.numbers.asked += 1;
                let record = ids::asked(self.numbers.asked);
                Job::AskRecord {
                    person,
                    record,
                    variant,
                }
            }
            Deed::Pull(pull) => match self.present(person, pull) {
                Some(presented) if self.numbers.runs < RUNS_MAX => {
                    self.numbers.runs += 1;
                    let run = ids::run(self.numbers.runs);
                    Job::Pull { person, run, presented }
                }
                _ => return false,
            },
        };
        self.count("a person asks");
        self.spawn(job, None)
    }

    /// What the app brings back from the browser, or claims to.
    fn present(&mut self, person: u8, pull: Pull) -> Option<Presented> {
        let told = self.told.get(&person)?;
        let newest = told.last()?.clone();
        let before = told.iter().rev().nth(1).cloned();
        let foreign = self.upstream.challenges.iter().rev();
        let foreign = foreign.filter(|challenge| !told.contains(&challenge.id));
        let foreign = foreign.filter_map(|challenge| challenge.session.clone()).next();
        let (challenge, session, status) = match pull {
            Pull::Proper => (newest.clone(), self.upstream.pass_challenge(&newest)?, "verified"),
            Pull::NotPassed => (
                newest.clone(),
                opaque!(shared::domain::Aal2SessionId, "aal2-none"),
                "failed",
            ),
            Pull::SessionAgain => (newest, self.upstream.pass_challenge(&before?)?, "verified"),
            Pull::OldChallenge => {
                let before = before?;
                (before.clone(), self.upstream.pass_challenge(&before)?, "verified")
            }
            Pull::ForeignSession => (newest, foreign?, "verified"),
        };
        use SourceKind::{Hie, Lab, Pharmacy};
        let sources: &[SourceKind] = match self.numbers.runs % 4 {
            0 => &[Hie, Lab],
            1 => &[Hie, Pharmacy, Lab],
            2 => &[Hie],
            _ => &[Pharmacy, Lab],
        };
        Some(Presented {
            challenge,
            session,
            status,
            sources: sources.to_vec(),
        })
    }

    /// The event with the words of what the patient's open record asked for, whatever it delivers.
    fn as_if_asked_for(&self, mut event: WebhookEvent) -> WebhookEvent {
        let Event::Consolidated { delivery } = &mut event.event else {
            return event;
        };
        let open = self.store.get(&Key::OpenConsolidated(delivery.patient.clone()));
        let record = open.and_then(|item| item.lock()).and_then(|lock| match lock.holder {
            Subject::Record(record) => self.store.get(&Key::Record(lock.owner.clone(), record)),
            Subject::Run(_) => None,
        });
        if let Some(record) = record.and_then(|item| item.record()) {
            delivery.filters = upstream::filters(&record.asked);
            event.request.clone_from(&record.request);
        }
        event
    }

    /// Invokes a function.
    pub(crate) fn spawn(&mut self, job: Job, message: Option<u32>) -> bool {
        let until = self.now.plus(Duration::from_secs(job.timeout_secs()));
        if let Job::Intake(event) = &job
            && self.sabotage == Some(Sabotage::AnswerBeforeSend)
        {
            self.ghost.accepted.insert(event.message.clone());
        }
        let job = match job {
            Job::Process(event) if self.sabotage == Some(Sabotage::AnyDeliveryTaken) => {
                Job::Process(Box::new(self.as_if_asked_for(*event)))
            }
            job => job,
        };
        let known = match &job {
            Job::Process(event) => rules::webhooks::is_known(self, event),
            _ => false,
        };
        self.say(|| format!("{} begins: {}", job.function(), words::job(&job)));
        let (log, progress) = proceed(&job, Vec::new(), self.clock(), self.timing, self.sabotage);
        let task = |pending| Task {
            job,
            log,
            pending,
            until,
            message,
            fresh: None,
            known,
        };
        match progress {
            Progress::Next(op) => self.tasks.push(task(op)),
            Progress::Done(_) => unreachable!("a function that does nothing"),
        }
        true
    }

    /// The next operation of a function.
    pub(crate) fn step(&mut self, at: usize, fault: Option<Fault>) -> bool {
        if at >= self.tasks.len() {
            return false;
        }
        let mut task = self.tasks.remove(at);
        self.now = self.now.plus(self.pace);
        let op = task.pending.clone();
        let reply = self.perform(&mut task, op, fault);
        // What was not waited for at one moment may have been looked at in that moment.
        if let Job::Process(event) = &task.job {
            task.known = task.known && rules::webhooks::is_known(self, event);
        }
        task.log.push(reply);
        let log = std::mem::take(&mut task.log);
        let (log, progress) = proceed(&task.job, log, self.clock(), self.timing, self.sabotage);
        task.log = log;
        match progress {
            Progress::Next(op) => {
                task.pending = op;
                self.tasks.insert(at, task);
            }
            Progress::Done(outcome) => self.end(task, outcome),
        }
        true
    }

    fn finish(&mut self, at: usize) -> bool {
        let left = self.tasks.len();
        loop {
            self.step(at, None);
            let calls = |task: &Task| matches!(task.pending, Op::Upstream(_));
            let ended = self.tasks.len() < left;
            if ended || self.violation.is_some() || self.tasks.get(at).is_some_and(calls) {
                return true;
            }
        }
    }

    fn fault(&mut self, at: usize, fault: Fault) -> bool {
        let Some(task) = self.tasks.get(at) else { return false };
        let applies = match &task.pending {
            Op::Upstream(Call::StartQuery(_)) => true,
            Op::Upstream(_) => !matches!(fault, Fault::Partly | Fault::SessionRefused),
            Op::Overdue(_) => false,
            Op::Turn(_) => matches!(fault, Fault::Lost | Fault::Busy | Fault::Refused | Fault::NotSent),
            Op::Get(_) | Op::Follow(_) => fault == Fault::Lost,
            Op::Commit(_) | Op::Send(..) => matches!(fault, Fault::Lost | Fault::Unanswered),
        };
        if !applies {
            return false;
        }
        self.count(words::fault(fault));
        rules::effects::trouble(self, at);
        self.step(at, Some(fault))
    }

    pub(crate) fn crash(&mut self, at: usize, how: &str) -> bool {
        rules::effects::trouble(self, at);
        let task = self.tasks.remove(at);
        self.count(if how == "crashes" {
            "crash"
        } else {
            "killed at its time limit"
        });
        self.say(|| format!("{} {how}: {}", task.job.function(), words::job(&task.job)));
        // Where 200 was said before the event was durable, upstream believes that it has arrived.
        if let Job::Intake(event) = task.job
            && self.sabotage != Some(Sabotage::AnswerBeforeSend)
        {
            self.upstream.failed.push(replayed(*event));
        }
        true
    }

    fn perform(&mut self, task: &mut Task, op: Op, fault: Option<Fault>) -> Reply {
        self.say(|| format!("{}: {}", task.job.function(), words::op(&op, fault)));
        let unavailable = || StoreError::Unavailable("fault".to_owned());
        match op {
            Op::Get(_) if fault.is_some() => Reply::Item(Err(unavailable())),
            Op::Get(key) => {
                let item = self.store.get(&key).cloned();
                task.look(&key, item.as_deref());
                Reply::Item(Ok(item))
            }
            Op::Overdue(_) if self.sabotage == Some(Sabotage::NoReconciler) => Reply::Overdue(Vec::new()),
            Op::Overdue(before) => Reply::Overdue(self.store.overdue(before)),
            Op::Commit(writes) => {
                if fault == Some(Fault::Lost) {
                    return Reply::Committed(Err(unavailable()));
                }
                let outcome = self.commit(task, writes);
                match fault {
                    Some(_) => Reply::Committed(Err(unavailable())),
                    None => Reply::Committed(outcome),
                }
            }
            Op::Send(body, delay) => {
                if fault != Some(Fault::Lost) {
                    self.enqueue(body, delay);
                }
                Reply::Sent(match fault {
                    Some(_) => Err(QueueError {
                        queue: "simulated",
                        problem: "fault".to_owned(),
                    }),
                    None => Ok(()),
                })
            }
            Op::Upstream(call) => {
                let answer = self.upstream.call(&call, fault, self.now);
                let violation = rules::effects::called(self, task, &call, fault, &answer);
                self.judge(violation);
                Reply::Upstream(Box::new(answer))
            }
            Op::Turn(start) => Reply::Turned(match fault {
                Some(Fault::Lost) => Err(unavailable()),
                fault => Ok(budget::turn(start, fault)),
            }),
            Op::Follow(link) => match fault {
                Some(_) => Reply::Followed(None),
                None => Reply::Followed(self.upstream.follow(&link, self.now)),
            },
        }
    }

    fn commit(&mut self, task: &Task, mut writes: Vec<Write>) -> Result<(), StoreError> {
        let unmet = self.store.unmet(&writes, self.sabotage);
        if !unmet.is_empty() {
            self.say(|| format!("  … does not hold: {unmet:?}"));
            return Err(StoreError::Conflict(unmet));
        }
        let violation = rules::before_write(self, task, &writes);
        self.judge(violation);
        if self.sabotage == Some(Sabotage::TtlAsLock) {
            let soon = self.now.plus(Duration::from_secs(60));
            for write in &mut writes {
                if let Effect::Put(item) = &write.effect
                    && let Some(lock) = item.lock()
                {
                    let short = crate::store::Lock {
                        deadline: soon,
                        ..lock.clone()
                    };
                    write.effect = Effect::Put(Arc::new(Item::Lock(short)));
                }
            }
        }
        self.store.write(&writes);
        let violation = rules::after_write(self, &writes);
        self.judge(violation);
        Ok(())
    }

    fn enqueue(&mut self, body: Body, delay: Duration) {
        self.numbers.messages += 1;
        let seconds = u64::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        self.messages.push(Message {
            number: self.numbers.messages,
            body,
            visible_at: self.now.plus(Duration::from_secs(seconds)),
            receives: 0,
        });
    }

    /// A function has ended.
    fn end(&mut self, task: Task, outcome: Result<&'static str, Error>) {
        self.say(|| format!("{} ends: {}", task.job.function(), words::outcome(&outcome)));
        match (&task.job, &outcome) {
            (Job::Intake(event), Ok(_)) => {
                self.ghost.accepted.insert(event.message.clone());
            }
            (Job::Intake(_), Err(_)) if self.sabotage == Some(Sabotage::AnswerBeforeSend) => {}
            (Job::Intake(event), Err(_)) => self.upstream.failed.push(replayed((**event).clone())),
            (Job::Process(event), Ok(outcome)) => {
                let violation = rules::webhooks::handled(self, event, outcome, task.known);
                self.judge(violation);
            }
            (Job::OpenSession { mark, .. }, Ok(_)) => {
                let page = self
                    .upstream
                    .pages
                    .iter_mut()
                    .find(|page| page.mark == mark.simple().to_string());
                page.into_iter().for_each(|page| page.given = true);
            }
            (Job::OpenChallenge { person }, Ok(_)) => {
                let told = task.log.iter().find_map(|reply| match reply {
                    Reply::Upstream(answer) => match answer.as_ref() {
                        Ok(Answer::Challenge(id, _)) => Some(id.clone()),
                        _ => None,
                    },
                    _ => None,
                });
                self.told.entry(*person).or_default().extend(told);
            }
            _ => {}
        }
        if outcome.is_ok()
            && let Some(number) = task.message
        {
            self.messages.retain(|message| message.number != number);
        }
    }

    /// Messages that a queue would hand out now, as positions.
    pub(crate) fn visible(&self) -> Vec<usize> {
        let messages = self.messages.iter().enumerate();
        messages
            .filter(|(_, message)| message.visible_at <= self.now)
            .map(|(index, _)| index)
            .collect()
    }

    fn receive(&mut self, at: u8) -> bool {
        let visible = self.visible();
        let picked = round(at, visible.len()).and_then(|at| visible.get(at).copied());
        let Some(index) = picked.filter(|_| self.tasks.len() < TASKS_MAX) else {
            return false;
        };
        if at > 0 && visible.len() > 1 {
            self.count("message out of order");
        }
        self.deliver_message(index)
    }

    pub(crate) fn deliver_message(&mut self, index: usize) -> bool {
        let now = self.now;
        let Some(message) = self.messages.get_mut(index) else {
            return false;
        };
        if message.receives >= RECEIVES_MAX {
            let message = self.messages.remove(index);
            self.count("dead letter");
            if let Body::Webhook(event) = message.body {
                self.ghost.dead.insert(event.message);
            }
            return true;
        }
        message.receives += 1;
        message.visible_at = now.plus(Duration::from_secs(message.body.visibility_secs()));
        let (number, body) = (message.number, message.body.clone());
        self.count("message delivered");
        let job = match body {
            Body::Advance(advance) => Job::Advance(advance),
            Body::Fetch(fetch) => Job::Fetch(fetch),
            Body::Webhook(event) => Job::Process(event),
        };
        self.spawn(job, Some(number))
    }

    fn copy(&mut self, at: u8) -> bool {
        let Some(copied) = round(at, self.messages.len()).and_then(|index| self.messages.get(index).cloned()) else {
            return false;
        };
        self.count("message duplicated");
        self.say(|| format!("a queue doubles a message: {}", words::body(&copied.body)));
        self.numbers.messages += 1;
        self.messages.push(Message {
            number: self.numbers.messages,
            visible_at: self.now,
            receives: 0,
            ..copied
        });
        true
    }

    pub(crate) fn webhook(&mut self, at: u8, fate: Fate) -> bool {
        if self.tasks.len() >= TASKS_MAX {
            return false;
        }
        let event = match fate {
            Fate::Again => {
                let history = &self.upstream.history;
                round(at, history.len()).and_then(|index| history.get(index).cloned())
            }
            Fate::Arrives | Fate::ArrivesBare | Fate::Dropped => {
                round(at, self.upstream.outbox.len()).map(|index| self.upstream.outbox.remove(index))
            }
        };
        let Some(event) = event else { return false };
        self.count(match fate {
            Fate::Arrives => "webhook arrives",
            Fate::ArrivesBare => "webhook arrives without metadata",
            Fate::Dropped => "webhook dropped",
            Fate::Again => "webhook again",
        });
        self.say(|| words::fate(fate, &event));
        match fate {
            Fate::Dropped => self.upstream.failed.push(replayed(event)),
            Fate::ArrivesBare => return self.spawn(Job::Intake(Box::new(bare(event))), None),
            Fate::Arrives | Fate::Again => return self.spawn(Job::Intake(Box::new(event)), None),
        }
        true
    }

    fn pass_page(&mut self, at: u8, pass: crate::choice::Pass) -> bool {
        let now = self.now;
        let open = self.upstream.pages.iter().enumerate();
        let open: Vec<usize> = open
            .filter(|(_, page)| page.given && page.passed.is_none() && now < page.expires_at)
            .map(|(index, _)| index)
            .collect();
        let Some(index) = round(at, open.len()).and_then(|at| open.get(at).copied()) else {
            return false;
        };
        self.count("identity page passed");
        self.say(|| format!("an identity page is passed: {pass:?}"));
        self.upstream.pass_page(index, pass, now);
        true
    }

    fn end_source(&mut self, at: u8, ending: Ending) -> bool {
        let open = self.upstream.open_sources();
        let Some((query, kind)) = round(at, open.len()).and_then(|at| open.get(at).copied()) else {
            return false;
        };
        self.count("source ends");
        self.say(|| format!("upstream: {} of query {query}: {ending:?}", kind.as_str()));
        self.upstream.end_source(query, kind, ending, self.now);
        true
    }

    fn end_consolidated(&mut self, at: u8, yields: Yield) -> bool {
        let open = self.upstream.open_consolidated(self.now);
        let Some(index) = round(at, open.len()).and_then(|at| open.get(at).copied()) else {
            return false;
        };
        self.count("consolidated query ends");
        self.say(|| format!("upstream: consolidated query {index} ends: {yields:?}"));
        self.upstream.end_consolidated(index, yields, self.now);
        true
    }

    /// When something next happens by itself: a message appears, the reconciler finds something, a replay is asked for.
    pub(crate) fn next_due(&self) -> Option<Time> {
        let seen = self.messages.iter().map(|message| message.visible_at);
        let overdue = self.store.due().map(|(due_at, _)| due_at.plus(self.timing.overdue()));
        let replays = self.store.get(&Key::Replays).and_then(|item| item.replays());
        let check = replays.map(|replays| replays.check_at).unwrap_or_default();
        let check = (!self.upstream.failed.is_empty()).then_some(check);
        let next = seen.chain(overdue).chain(check);
        next.filter(|next| *next > self.now).min()
    }

    /// Whether a tick would find anything now.
    pub(crate) fn reconciler_has_work(&self) -> bool {
        if self.sabotage == Some(Sabotage::NoReconciler) {
            return false;
        }
        let before = self.now.minus(self.timing.overdue());
        let replays = self.store.get(&Key::Replays).and_then(|item| item.replays());
        let check_at = replays.map(|replays| replays.check_at).unwrap_or_default();
        let replays_due = !self.upstream.failed.is_empty() && self.now >= check_at;
        // What a message is under way for is overdue only if that message was not acted on.
        replays_due || !self.store.overdue(before).is_empty()
    }

    /// Moves the clock; what has run for too long is killed.
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

    /// Synchronises clocks.
    pub(crate) const fn set_clocks_right(&mut self) {
        self.skew = 0;
    }

    /// The run, if it is stored.
    pub(crate) fn run(&self, id: RunId) -> Option<&shared::domain::run::Run> {
        self.store.runs().find(|(_, run)| run.id == id).map(|(_, run)| run)
    }

    /// A number that two worlds share if they are the same but for the names of things and what led there.
    pub(crate) fn fingerprint(&self) -> u128 {
        let mut hash = Fingerprint::new();
        hash.add(&(self.now, self.skew, &self.ghost, &self.upstream, &self.told));
        for (key, item) in self.store.iter() {
            hash.add(&(key, item));
        }
        let mut messages: Vec<u128> = self.messages.iter().map(|message| Fingerprint::of(&message)).collect();
        messages.sort_unstable();
        let mut tasks: Vec<u128> = self.tasks.iter().map(Task::fingerprint).collect();
        tasks.sort_unstable();
        hash.add(&(messages, tasks));
        hash.0
    }
}

impl Task {
    fn fingerprint(&self) -> u128 {
        let mut hash = Fingerprint::new();
        hash.add(&(&self.job, self.until, self.fresh, self.known, self.message.is_some()));
        for reply in &self.log {
            match reply {
                Reply::Item(Ok(item)) => hash.add(&item.as_deref()),
                Reply::Now(now) => hash.add(now),
                Reply::Overdue(due) => hash.add(due),
                Reply::Followed(content) => hash.add(content),
                // What these hold has a readable form, ids of persons aside, and those stand in the job.
                other => hash.add(&format!("{other:?}")),
            }
        }
        hash.0
    }

    /// Whether the message that invoked this is about the due work that is stored.
    fn look(&mut self, key: &Key, item: Option<&Item>) {
        let (subject, asked) = match &self.job {
            Job::Advance(advance) => (advance.subject, advance.due_seq),
            Job::Fetch(fetch) => (Subject::Record(fetch.record), fetch.due_seq),
            _ => return,
        };
        let stored = match (key, subject, item) {
            (Key::Run(_, id), Subject::Run(run), Some(Item::Run(item))) if *id == run => item.due_seq,
            (Key::Record(_, id), Subject::Record(record), Some(Item::Record(item))) if *id == record => item.due_seq,
            _ => return,
        };
        self.fresh.get_or_insert(stored == asked);
    }
}

/// Position `at` of `len`, counted round.
pub(crate) fn round(at: u8, len: usize) -> Option<usize> {
    usize::from(at).checked_rem(len)
}

fn bare(event: WebhookEvent) -> WebhookEvent {
    let mut bare = WebhookEvent {
        marks: shared::message::webhook::Marks::default(),
        ..event
    };
    if let Event::Identity { verification } = &mut bare.event {
        verification.mark = None;
    }
    bare
}

/// FNV-1a over the JSON of what is added; 128 bits, so that of some million worlds no two are taken for one.
struct Fingerprint(u128);

impl Fingerprint {
    const fn new() -> Self {
        Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d)
    }

    fn of(value: &impl Serialize) -> u128 {
        let mut hash = Self::new();
        hash.add(value);
        hash.0
    }

    fn add(&mut self, value: &impl Serialize) {
        if serde_json::to_writer(&mut *self, value).is_err() {
            unreachable!("everything here is JSON");
        }
    }
}

impl std::io::Write for Fingerprint {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for byte in bytes {
            self.0 = (self.0 ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
