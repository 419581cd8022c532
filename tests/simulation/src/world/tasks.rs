//! Running functions: each is invoked, performs one operation after the other, and ends, fails or is killed.

use std::sync::Arc;
use std::time::Duration;

use shared::Error;
use shared::message::Subject;
use shared::message::webhook::{Event, WebhookEvent};
use shared::queue::QueueError;
use shared::store::{Condition, StoreError};

use super::World;
use crate::Sabotage;
use crate::choice::Fault;
use crate::functions::Job;
use crate::io::{Op, Reply, ShareAnswer, ShareRequest};
use crate::ports::budget;
use crate::rules;
use crate::store::{Effect, Item, Key, Place, Write};
use crate::task::{Progress, Task, proceed};
use crate::upstream::{self, Answer, Call, replayed};
use crate::words;

impl World {
    /// The event with the request and filters of the patient's open record, even if the event delivers another record.
    fn with_open_record(&self, mut event: WebhookEvent) -> WebhookEvent {
        let Event::Consolidated { delivery } = &mut event.event else {
            return event;
        };
        let open = self.store.get(&Key::OpenConsolidated(delivery.patient.clone()));
        let record = open.and_then(|item| item.lock()).and_then(|lock| match lock.holder {
            Subject::Record(record) => self.store.get(&Key::Record(lock.owner.clone(), record)),
            Subject::Pull(_) => None,
        });
        if let Some(record) = record.and_then(|item| item.record()) {
            delivery.filters = upstream::filters(&record.query);
            event.request.clone_from(&record.request);
        }
        event
    }

    pub(crate) fn spawn(&mut self, job: Job, message: Option<u32>) -> bool {
        let until = self.now.plus(Duration::from_secs(job.timeout_secs()));
        if let Job::Intake(event) = &job
            && self.sabotage == Some(Sabotage::AnswerBeforeSend)
        {
            self.facts.accepted.insert(event.message.clone());
        }
        let job = match job {
            Job::Process(event) if self.sabotage == Some(Sabotage::AnyDeliveryTaken) => {
                Job::Process(Box::new(self.with_open_record(*event)))
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
            since: None,
        };
        match progress {
            Progress::Next(op) => self.tasks.push(task(op)),
            Progress::End(_) => unreachable!("a function ended without an operation"),
        }
        true
    }

    pub(crate) fn step(&mut self, at: usize, fault: Option<Fault>) -> bool {
        if at >= self.tasks.len() {
            return false;
        }
        let mut task = self.tasks.remove(at);
        self.now = self.now.plus(self.pace);
        let op = task.pending.clone();
        if task.since.is_none() || matches!(op, Op::Get(Key::Root(_))) {
            task.since = Some(self.facts.erasures.moment());
        }
        let reply = self.perform(&mut task, op, fault);
        // A function may drop the event if it read the state at a moment when the event was not awaited. So `known`
        // stays true only if the event was awaited at every moment.
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
            Progress::End(outcome) => self.end(task, outcome),
        }
        true
    }

    pub(super) fn finish(&mut self, at: usize) -> bool {
        let left = self.tasks.len();
        loop {
            self.step(at, None);
            let calls = |task: &Task| {
                matches!(
                    task.pending,
                    Op::Upstream(_) | Op::Transfer(..) | Op::Keys(_, Place::Rows)
                )
            };
            let ended = self.tasks.len() < left;
            if ended || self.violation.is_some() || self.tasks.get(at).is_some_and(calls) {
                return true;
            }
        }
    }

    pub(super) fn fault(&mut self, at: usize, fault: Fault) -> bool {
        let Some(task) = self.tasks.get(at) else { return false };
        let applies = match &task.pending {
            Op::Upstream(Call::StartQuery(_)) => true,
            Op::Upstream(_) => !matches!(fault, Fault::Partly | Fault::SessionRefused),
            Op::Overdue(_) | Op::Erasures => false,
            Op::Keys(_, Place::Rows) => matches!(fault, Fault::Lost | Fault::Partly),
            Op::Turn(_) => matches!(fault, Fault::Lost | Fault::Busy | Fault::Refused | Fault::NotSent),
            Op::Share(share) if share.ask.budget().is_none() => fault == Fault::Lost,
            Op::Share(_) => matches!(fault, Fault::Lost | Fault::Busy | Fault::NotSent),
            Op::Get(_) | Op::List(_) | Op::Keys(..) | Op::Entries(_) => fault == Fault::Lost,
            Op::Mint(_) => false,
            Op::Commit(_) | Op::Send(..) | Op::Transfer(..) | Op::EraseEntry(_) => {
                matches!(fault, Fault::Lost | Fault::Unanswered)
            }
        };
        if !applies {
            return false;
        }
        let lags = fault == Fault::Partly && matches!(task.pending, Op::Keys(..));
        self.count(if lags {
            "fault: the index lacks new rows"
        } else {
            words::fault(fault)
        });
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
        self.leave_upload(&task);
        // Metriport keeps the failed delivery for a replay. After an early 200, it takes the delivery for successful
        // and does not keep it.
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
            Op::List(_) if fault.is_some() => Reply::Listed(Err(unavailable())),
            Op::List(listing) => Reply::Listed(Ok(self.store.list(&listing))),
            Op::Overdue(_) if self.sabotage == Some(Sabotage::NoReconciler) => Reply::Overdue(Vec::new()),
            Op::Overdue(before) => Reply::Overdue(self.store.overdue(before)),
            Op::Erasures if self.sabotage == Some(Sabotage::NoReconciler) => Reply::Erasures(Vec::new()),
            Op::Erasures => Reply::Erasures(self.unfinished_erasures()),
            Op::Keys(..) if fault == Some(Fault::Lost) => Reply::Keys(Err(unavailable())),
            Op::Keys(owner, place) => Reply::Keys(Ok(self.erasable(task, &owner, place, fault))),
            Op::Entries(prefix) => self.entries(task, &prefix, fault),
            Op::EraseEntry(entry) => self.erase_entry(task, &entry, fault),
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
                let violation = rules::erasure::judge_call(self, task, &call);
                self.judge(violation);
                let answer = self.upstream.call(&call, fault, self.now);
                let violation = rules::effects::called(self, task, &call, fault, &answer);
                self.judge(violation);
                Reply::Upstream(Box::new(answer))
            }
            Op::Turn(start) => Reply::Turned(match fault {
                Some(Fault::Lost) => Err(unavailable()),
                fault => Ok(budget::turn(start, fault)),
            }),
            Op::Share(_) if fault == Some(Fault::Lost) => Reply::Shared(Err(unavailable())),
            Op::Share(share) => Reply::Shared(Ok(self.share(&share, fault))),
            Op::Mint(object) => {
                let violation = rules::log::judge_link(self, task, &object);
                self.judge(violation);
                Reply::Minted
            }
            Op::Transfer(link, key) => self.transfer(task, &link, key, fault),
        }
    }

    /// Takes a part of a person's share, or refuses. This is one operation, because the adapter itself decides again
    /// after a conflict.
    fn share(&mut self, share: &ShareRequest, fault: Option<Fault>) -> ShareAnswer {
        let key = Key::Shares(share.owner.clone());
        let before = self.store.get(&key).and_then(|item| item.shares().cloned());
        let before = before.unwrap_or_default();
        let (answer, after) = budget::share(&before, share, fault, self.sabotage);
        if after != before {
            self.store.put(key, Item::Shares(after));
        }
        let violation = rules::share::served(self, share, answer);
        self.judge(violation);
        answer
    }

    fn commit(&mut self, task: &Task, mut writes: Vec<Write>) -> Result<(), StoreError> {
        let unmet = self.store.unmet(&writes, self.sabotage);
        if !unmet.is_empty() {
            self.say(|| format!("  … does not hold: {unmet:?}"));
            return Err(match unmet.contains(&Condition::GrantHeld) {
                true => StoreError::GrantEnded,
                false => StoreError::Conflict(unmet),
            });
        }
        // The rules judge before the write, because they compare the writes with the stored items.
        let violation = rules::before_write(self, task, &writes);
        self.judge(violation);
        // The locks are shortened after `before_write`, which notes the intended deadlines.
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
        self.note_rows(&writes);
        let violation = rules::after_write(self, &writes);
        self.judge(violation);
        Ok(())
    }

    fn end(&mut self, task: Task, outcome: Result<&'static str, Error>) {
        self.say(|| format!("{} ends: {}", task.job.function(), words::outcome(&outcome)));
        rules::share::count(self, &outcome);
        match (&task.job, &outcome) {
            (Job::Intake(event), Ok(_)) => {
                self.facts.accepted.insert(event.message.clone());
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
                let challenge = task.log.iter().find_map(|reply| match reply {
                    Reply::Upstream(answer) => match answer.as_ref() {
                        Ok(Answer::Challenge(id, _)) => Some(id.clone()),
                        _ => None,
                    },
                    _ => None,
                });
                self.known_challenges.entry(*person).or_default().extend(challenge);
            }
            _ => {}
        }
        if outcome.is_ok()
            && let Some(number) = task.message
        {
            self.messages.retain(|message| message.number != number);
        }
    }
}

impl Task {
    /// Notes at the first read whether the invoking message is about the stored due work.
    fn look(&mut self, key: &Key, item: Option<&Item>) {
        let (subject, due_seq) = match &self.job {
            Job::Advance(advance) => (advance.subject, advance.due_seq),
            Job::Fetch(fetch) => (Subject::Record(fetch.record), fetch.due_seq),
            _ => return,
        };
        let stored = match (key, subject, item) {
            (Key::Pull(_, id), Subject::Pull(pull), Some(Item::Pull(item))) if *id == pull => item.due_seq,
            (Key::Record(_, id), Subject::Record(record), Some(Item::Record(item))) if *id == record => item.due_seq,
            _ => return,
        };
        self.fresh.get_or_insert(stored == due_seq);
    }
}
