//! Tests keys over a storage in memory. The time is an argument.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::Time;
use crate::owner::OwnerKey;

const LEASE: Duration = Duration::from_millis(35);
const LIFE: Duration = Duration::from_millis(1_000);

#[derive(Default)]
struct Memory {
    entry: Mutex<Option<Entry>>,
    /// Number of answers to lose. Such a write is stored but reported as refused, like the retry of a write whose
    /// answer was lost.
    answers_lost: Mutex<u32>,
}

impl Storage for Memory {
    type Error = std::convert::Infallible;

    async fn load(&self, _: &KeyHash) -> Result<Option<Entry>, Self::Error> {
        Ok(self.entry.lock().unwrap().clone())
    }

    async fn replace(&self, _: &KeyHash, read: Option<&Stamp>, entry: &Entry) -> Result<bool, Self::Error> {
        let mut stored = self.entry.lock().unwrap();
        if stored.as_ref().map(|stored| &stored.stamp) != read {
            return Ok(false);
        }
        *stored = Some(entry.clone());
        let mut lost = self.answers_lost.lock().unwrap();
        let answered = *lost == 0;
        *lost = lost.saturating_sub(1);
        Ok(answered)
    }
}

/// A storage that lets another request write between this request's read and its write.
struct Overtaken<'m, F>(&'m Memory, Mutex<Option<F>>);

impl<F: FnOnce() + Send> Storage for Overtaken<'_, F> {
    type Error = std::convert::Infallible;

    async fn load(&self, key: &KeyHash) -> Result<Option<Entry>, Self::Error> {
        let found = self.0.load(key).await;
        let others = self.1.lock().unwrap().take();
        if let Some(others) = others {
            others();
        }
        found
    }

    async fn replace(&self, key: &KeyHash, read: Option<&Stamp>, entry: &Entry) -> Result<bool, Self::Error> {
        self.0.replace(key, read, entry).await
    }
}

fn now<T>(work: impl Future<Output = Result<T, std::convert::Infallible>>) -> T {
    let Ok(value) = work.now_or_never().expect("nothing to wait for");
    value
}

fn fingerprint(body: &str) -> Fingerprint {
    let secret = OwnerKey::parse(&"k".repeat(32)).unwrap();
    Fingerprint::of(&secret, "POST /things", body.as_bytes(), None).unwrap()
}

fn call(body: &str, id: u128, at: i64) -> KeyedRequest {
    let secret = OwnerKey::parse(&"k".repeat(32)).unwrap();
    KeyedRequest {
        key: IdempotencyKey::parse("key").unwrap().hash(&secret, "nora").unwrap(),
        fingerprint: fingerprint(body),
        id: Uuid::from_u128(id),
        now: Time::from_millis(at),
        lease: LEASE,
        life: LIFE,
    }
}

fn reply(text: &str) -> StoredReply {
    StoredReply {
        status: 201,
        headers: Vec::new(),
        body: text.to_owned(),
    }
}

fn lease(begun: Begun) -> Lease {
    match begun {
        Begun::Work(lease) => lease,
        other => panic!("no lease but {other:?}"),
    }
}

fn entry(state: State, expires_at: i64) -> Entry {
    Entry {
        stamp: Stamp::lease(Uuid::from_u128(1)),
        fingerprint: fingerprint("a"),
        thing: Uuid::from_u128(7),
        state,
        expires_at: Time::from_millis(expires_at),
    }
}

#[test]
fn each_state_has_its_decision() {
    let at = Time::from_millis;
    let (a, b) = (fingerprint("a"), fingerprint("b"));
    let leased = entry(State::Leased { until: at(10) }, 100);
    let replied = entry(
        State::Replied {
            reply: reply("done"),
            until: at(50),
        },
        100,
    );
    let takes_over = Decision::TakeOver {
        thing: Uuid::from_u128(7),
    };
    assert_eq!(decide(None, &a, at(0)), Decision::Work);
    assert_eq!(decide(Some(&leased), &a, at(9)), Decision::InFlight { until: at(10) });
    assert_eq!(decide(Some(&leased), &a, at(10)), takes_over);
    assert_eq!(decide(Some(&replied), &a, at(49)), Decision::Replay(&reply("done")));
    assert_eq!(decide(Some(&replied), &a, at(50)), Decision::Spent);
    for entry in [&leased, &replied] {
        for time in [0, 10, 50, 99] {
            assert_eq!(decide(Some(entry), &b, at(time)), Decision::Reused);
        }
        assert_eq!(decide(Some(entry), &a, at(100)), Decision::Work);
        assert_eq!(decide(Some(entry), &b, at(100)), Decision::Work);
    }
}

#[test]
fn second_concurrent_request_is_refused() {
    let memory = Memory::default();
    let second = lease(now(begin(&memory, call("a", 2, 0))));
    let first = now(begin(&memory, call("a", 1, 0)));
    assert!(matches!(first, Begun::Refused(Refusal::InFlight)), "{first:?}");
    assert!(!second.resumed());
    assert!(now(second.keep(&memory, reply("once"), None)));
    let Begun::Replay(again) = now(begin(&memory, call("a", 3, 1))) else {
        panic!("no replay")
    };
    assert_eq!(again, reply("once"));
}

/// Two requests read the same expired lease. Only one of them takes it over.
#[test]
fn concurrent_takeovers_give_one_request_the_lease() {
    let memory = Memory::default();
    drop(lease(now(begin(&memory, call("a", 1, 0)))));
    let other = Mutex::new(None);
    let others = || *other.lock().unwrap() = Some(now(begin(&memory, call("a", 3, 40))));
    let overtaken = Overtaken(&memory, Mutex::new(Some(others)));
    assert!(matches!(
        now(begin(&overtaken, call("a", 2, 40))),
        Begun::Refused(Refusal::InFlight)
    ));
    let second = lease(other.lock().unwrap().take().unwrap());
    assert_eq!((second.resumed(), second.thing()), (true, Uuid::from_u128(1)));
}

#[test]
fn write_with_a_lost_answer_counts() {
    let memory = Memory::default();
    *memory.answers_lost.lock().unwrap() = 2;
    let first = lease(now(begin(&memory, call("a", 1, 0))));
    assert!(now(first.keep(&memory, reply("once"), None)));
    assert_eq!(*memory.answers_lost.lock().unwrap(), 0);
    assert!(matches!(now(begin(&memory, call("a", 2, 1))), Begun::Replay(_)));
}

/// One holder is late after a takeover, another after the key has expired. Neither of them writes anything.
#[test]
fn late_holder_of_a_lost_lease_writes_nothing() {
    let memory = Memory::default();
    let sleeper = |at| lease(now(begin(&memory, call("a", u128::try_from(at).unwrap() + 1, at))));
    let (first, second) = (sleeper(0), sleeper(50));
    assert!(second.resumed());
    assert!(!now(first.keep(&memory, reply("late"), None)));
    let third = sleeper(5_000);
    assert!(!third.resumed(), "the key was forgotten");
    assert!(!now(second.forget(&memory)));
    assert!(now(third.keep(&memory, reply("once"), None)));
}

#[test]
fn given_up_key_stays_bound_and_forgotten_key_is_free() {
    let memory = Memory::default();
    assert!(now(lease(now(begin(&memory, call("a", 1, 0)))).give_up(&memory)));
    assert!(matches!(
        now(begin(&memory, call("b", 2, 0))),
        Begun::Refused(Refusal::Reused)
    ));
    let again = lease(now(begin(&memory, call("a", 3, 0))));
    assert_eq!((again.resumed(), again.thing()), (true, Uuid::from_u128(1)));
    assert!(now(again.forget(&memory)));
    let mended = lease(now(begin(&memory, call("b", 4, 0))));
    assert_eq!((mended.resumed(), mended.thing()), (false, Uuid::from_u128(4)));
}

#[test]
fn reply_past_its_use_is_spent_until_the_key_expires() {
    let memory = Memory::default();
    let first = lease(now(begin(&memory, call("a", 1, 0))));
    assert!(now(first.keep(&memory, reply("link"), Some(Time::from_millis(60)))));
    assert!(matches!(now(begin(&memory, call("a", 2, 59))), Begun::Replay(_)));
    assert!(matches!(
        now(begin(&memory, call("a", 3, 60))),
        Begun::Refused(Refusal::Spent)
    ));
    assert!(matches!(
        now(begin(&memory, call("a", 4, 999))),
        Begun::Refused(Refusal::Spent)
    ));
    assert!(matches!(now(begin(&memory, call("a", 5, 1_000))), Begun::Work(_)));
}

/// An event under one key.
#[derive(Debug, Clone)]
enum Step {
    /// A request comes. If it gets the lease, it makes the thing or finds it, or it fails before that.
    Come { body: &'static str, fails: bool },
    /// The oldest request at work ends. If the thing exists, it keeps its reply. Otherwise it forgets the key if it
    /// knows that nothing was done, and gives up if it does not.
    End { knows: bool },
    /// The process of the oldest request at work dies.
    Die,
    /// Milliseconds pass.
    Pass(i64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (prop_oneof![3 => Just("a"), 1 => Just("b")], any::<bool>()).prop_map(|(body, fails)| Step::Come { body, fails }),
        3 => any::<bool>().prop_map(|knows| Step::End { knows }),
        2 => Just(Step::Die),
        3 => prop_oneof![0..20_i64, 30..60_i64].prop_map(Step::Pass),
    ]
}

/// A request at work, its body, and the end of its lease.
struct AtWork {
    lease: Lease,
    body: &'static str,
    until: i64,
}

/// The state under one key, as callers see it: the requests at work, the things made, and the reply.
#[derive(Default)]
struct Play {
    memory: Memory,
    at: i64,
    ids: u128,
    working: Vec<AtWork>,
    made: BTreeSet<Uuid>,
    answered: Option<(Uuid, &'static str)>,
}

type Checked = Result<(), TestCaseError>;

impl Play {
    fn step(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Come { body, fails } => self.come(body, fails)?,
            Step::End { knows } if !self.working.is_empty() => self.end(knows)?,
            Step::Die if !self.working.is_empty() => drop(self.working.remove(0)),
            Step::End { .. } | Step::Die => {}
            Step::Pass(millis) => self.at += millis,
        }
        prop_assert!(self.made.len() <= 1, "{} things under one key", self.made.len());
        Ok(())
    }

    fn come(&mut self, body: &'static str, fails: bool) -> Checked {
        self.ids += 1;
        let mut call = call(body, self.ids, self.at);
        call.life = Duration::from_secs(3_600);
        match now(begin(&self.memory, call)) {
            Begun::Work(lease) => self.work(lease, body, fails),
            Begun::Replay(reply) => {
                let (thing, of) = self.answered.expect("an answer");
                prop_assert_eq!((reply.body, body), (thing.to_string(), of));
                Ok(())
            }
            Begun::Refused(refusal) => self.check_refusal(refusal, body),
        }
    }

    fn work(&mut self, lease: Lease, body: &'static str, fails: bool) -> Checked {
        let at = self.at;
        prop_assert!(
            self.working.iter().all(|other| other.until <= at),
            "two at work at once"
        );
        prop_assert!(self.answered.is_none());
        // If the thing was made before, the lease names its id.
        prop_assert!(self.made.is_empty() || (lease.resumed() && self.made.contains(&lease.thing())));
        if !fails {
            self.made.insert(lease.thing());
        }
        let until = at + i64::try_from(LEASE.as_millis()).unwrap();
        self.working.push(AtWork { lease, body, until });
        Ok(())
    }

    fn check_refusal(&self, refusal: Refusal, body: &str) -> Checked {
        let stored = self.memory.entry.lock().unwrap();
        match refusal {
            Refusal::InFlight => {
                let state = stored.as_ref().map(|stored| &stored.state);
                let pulls = |until: &Time| self.at < until.millis();
                let at_work = matches!(state, Some(State::Leased { until }) if pulls(until));
                prop_assert!(at_work);
            }
            Refusal::Reused => {
                prop_assert!(
                    stored
                        .as_ref()
                        .is_some_and(|stored| stored.fingerprint != fingerprint(body))
                );
            }
            Refusal::Spent => prop_assert!(false, "nothing here expires"),
        }
        Ok(())
    }

    fn end(&mut self, knows: bool) -> Checked {
        let AtWork { lease, body, .. } = self.working.remove(0);
        let thing = lease.thing();
        if self.made.contains(&thing) {
            if now(lease.keep(&self.memory, reply(&thing.to_string()), None)) {
                prop_assert!(self.answered.is_none(), "answered twice");
                self.answered = Some((thing, body));
            }
        } else if knows {
            now(lease.forget(&self.memory));
        } else {
            now(lease.give_up(&self.memory));
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    /// Requests come, fail, die and are late in any order, within the life of the key. Nevertheless at most one thing
    /// is made, one request is at work at a time, and every reply equals the first one.
    #[test]
    fn requests_in_any_order_make_at_most_one_thing(steps in prop::collection::vec(step(), 0..40)) {
        let mut play = Play::default();
        for step in &steps {
            play.step(step)?;
        }
    }
}
