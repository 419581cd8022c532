//! Fault injection. At every point of the sandbox, the injector draws whether a fault occurs, injects it, and logs it.

mod aws;
mod upstream;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbox_host::{Interference, Invocation, Killer};
use sandbox_machine::SandboxOptions;
use sandbox_machine::functions::FUNCTION_NAMES;
use sandbox_metriport::{DeliveryDecision, DeliveryInfo, Operation};
use shared::clock;
use tokio::sync::Notify;

use self::aws::AtAws;
use self::upstream::AtUpstream;
use super::deletions::{Deletions, ERASER};
use super::evidence::{Injection, Log};
use super::order::{Occurrence, Order};
use super::plan::{Dice, Kind, Moment, Rates};

/// The longest delay of a webhook and of a duplicate queue message, before time is scaled.
const LATE_MS: u64 = 60_000;
/// A planned kill lets fewer than this many calls or invocations pass.
const KILL_SKIPS: u64 = 40;

/// One call that reached the stand-in.
#[derive(Debug, Clone)]
pub(super) struct UpstreamCall {
    /// The patient's `externalId`.
    pub(super) subject: String,
    pub(super) operation: Operation,
    pub(super) at_ms: i64,
}

/// A point of a pull.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Point {
    pub(super) moment: Moment,
    pub(super) function: String,
    /// Occasions that pass before it.
    pub(super) skips: u64,
}

/// The action at a point.
#[derive(Clone)]
pub(super) enum Act {
    /// The function's processes are killed.
    Kill,
    /// A call waits.
    Hold(Arc<Hold>),
}

/// A call that waits until it may go on.
#[derive(Default)]
pub(super) struct Hold {
    waits: Notify,
    goes_on: Notify,
}

impl Hold {
    /// Waits until a call waits.
    pub(super) async fn until_held(&self) {
        self.waits.notified().await;
    }

    /// Lets the call go on.
    pub(super) fn release(&self) {
        self.goes_on.notify_one();
    }

    async fn pass(&self) {
        self.waits.notify_one();
        self.goes_on.notified().await;
    }
}

/// The injected faults and their log.
pub(super) struct FaultInjector {
    dice: Dice,
    rates: Rates,
    scale: u64,
    enabled: AtomicBool,
    begun: AtomicU32,
    planned: Mutex<Vec<(Point, Act)>>,
    log: Log,
    order: Order,
    calls: Mutex<Vec<UpstreamCall>>,
    occasions: Mutex<BTreeMap<Occasion, u64>>,
    deletions: Mutex<Option<Arc<Deletions>>>,
    killer: Killer,
}

/// The points of one moment and one function.
pub(super) type Occasion = (Moment, &'static str);

impl FaultInjector {
    pub(super) fn new(seed: u64, rates: Rates, scale: u32) -> Arc<Self> {
        Arc::new(Self {
            dice: Dice::new(seed),
            rates,
            scale: u64::from(scale.max(1)),
            enabled: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            planned: Mutex::default(),
            log: Log::default(),
            order: Order::default(),
            calls: Mutex::default(),
            occasions: Mutex::default(),
            deletions: Mutex::default(),
            killer: Killer::default(),
        })
    }

    /// Installs the injector at every point of a sandbox.
    pub(super) fn enter(self: &Arc<Self>, options: &mut SandboxOptions) {
        let faults = &mut options.faults;
        faults.killer = self.killer.clone();
        faults.aws = Some(Arc::new(AtAws(Arc::clone(self))));
        faults.upstream = Some(Arc::new(AtUpstream(Arc::clone(self))));
        let injector = Arc::clone(self);
        faults.webhooks = Some(Arc::new(move |delivery| injector.decide_delivery(delivery)));
        let injector = Arc::clone(self);
        faults.invocations = Some(Arc::new(move |invocation| injector.interfere(invocation)));
    }

    /// Turns the faults on or off, and drops the planned actions.
    pub(super) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::SeqCst);
        self.planned().clear();
    }

    /// Plans one more action.
    pub(super) fn plan(&self, point: Point, act: Act) {
        self.planned().push((point, act));
    }

    /// Counts the deletions of an erasure from now on.
    pub(super) fn count_deletions(&self, deletions: Arc<Deletions>) {
        *self.deletions.lock().unwrap_or_else(PoisonError::into_inner) = Some(deletions);
    }

    /// The deletions to count at a call of this function.
    fn deletions(&self, function: &str) -> Option<Arc<Deletions>> {
        let deletions = self.deletions.lock().unwrap_or_else(PoisonError::into_inner);
        deletions.clone().filter(|_| function == ERASER)
    }

    /// The order of the calls, which is noted only from the first call of `Order::begin`.
    pub(super) const fn order(&self) -> &Order {
        &self.order
    }

    /// Notes that a pull begins, and plans one kill per `pulls_per_kill` pulls.
    pub(super) fn pull_begins(&self) {
        let number = self.begun.fetch_add(1, Ordering::SeqCst);
        let every = self.rates.pulls_per_kill;
        if !self.is_enabled() || every == 0 || !number.is_multiple_of(every) {
            return;
        }
        let pick = |count: usize| usize::try_from(self.dice.below(count as u64)).unwrap_or_default();
        // The four kinds of kill take turns, so that a short run uses each of them.
        let moment = Moment::ALL
            .get(number as usize / every as usize % Moment::ALL.len())
            .copied();
        let function = FUNCTION_NAMES.get(pick(FUNCTION_NAMES.len()));
        if let (Some(moment), Some(function)) = (moment, function) {
            let point = Point {
                moment,
                function: (*function).to_owned(),
                skips: self.dice.below(KILL_SKIPS),
            };
            self.plan(point, Act::Kill);
        }
    }

    /// Takes the injected faults; the log is empty afterwards.
    pub(super) fn injections(&self) -> Vec<Injection> {
        self.log.take()
    }

    /// Every call to Metriport about a patient.
    pub(super) fn calls(&self) -> Vec<UpstreamCall> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::SeqCst)
    }

    fn planned(&self) -> MutexGuard<'_, Vec<(Point, Act)>> {
        self.planned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of times that each occasion occurred so far.
    pub(super) fn occasions(&self) -> BTreeMap<Occasion, u64> {
        self.occasions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of planned actions that have not happened yet.
    pub(super) fn waiting(&self) -> usize {
        self.planned().len()
    }

    /// Counts the occasion, and returns the action that is planned for it.
    fn take_act(&self, moment: Moment, function: &'static str) -> Option<Act> {
        let mut occasions = self.occasions.lock().unwrap_or_else(PoisonError::into_inner);
        *occasions.entry((moment, function)).or_default() += 1;
        drop(occasions);
        let mut planned = self.planned();
        let is_here = |point: &Point| point.moment == moment && point.function == function;
        let place = planned.iter().position(|(point, _)| is_here(point))?;
        match planned.get_mut(place) {
            Some((point, _)) if point.skips > 0 => {
                point.skips -= 1;
                None
            }
            _ => Some(planned.remove(place).1),
        }
    }

    /// Does what is planned for a call of a function. Returns whether the call goes on; it does not after a kill.
    async fn pass(&self, moment: Moment, function: &'static str, pull: Option<String>) -> bool {
        match self.take_act(moment, function) {
            None => true,
            Some(Act::Hold(hold)) => {
                hold.pass().await;
                true
            }
            Some(Act::Kill) => {
                self.note(moment.kill(), function, pull);
                self.killer.kill(function).await;
                false
            }
        }
    }

    fn throw(&self, kinds: &[Kind]) -> Option<Kind> {
        self.is_enabled()
            .then(|| self.dice.one_of(&self.rates, kinds))
            .flatten()
    }

    fn up_to(&self, ms: u64) -> u64 {
        1 + self.dice.below((ms / self.scale).max(1))
    }

    fn note(&self, kind: Kind, function: &str, pull: Option<String>) {
        self.log.push(Injection {
            kind,
            function: function.to_owned(),
            pull,
            at_ms: clock::now().millis(),
        });
    }

    fn decide_delivery(&self, _delivery: &DeliveryInfo) -> DeliveryDecision {
        let kinds = [
            Kind::WebhookDropped,
            Kind::WebhookDoubled,
            Kind::WebhookDelayed,
            Kind::WebhookAnswerLost,
        ];
        let Some(kind) = self.throw(&kinds) else {
            return DeliveryDecision::Deliver;
        };
        self.note(kind, "", None);
        match kind {
            Kind::WebhookDropped => DeliveryDecision::Drop,
            Kind::WebhookDoubled => DeliveryDecision::Double,
            Kind::WebhookDelayed => DeliveryDecision::DelayMs(self.up_to(LATE_MS)),
            _ => DeliveryDecision::DropAnswer,
        }
    }

    fn interfere(&self, invocation: &Invocation) -> Interference {
        let Some(function) = FUNCTION_NAMES.iter().copied().find(|name| *name == invocation.function) else {
            return Interference::Go;
        };
        let acts = [Moment::BeforeInvocation, Moment::AfterInvocation].map(|moment| self.take_act(moment, function));
        let (moment, interference) = match acts {
            [Some(Act::Kill), _] => (Moment::BeforeInvocation, Interference::KillBefore),
            [_, Some(Act::Kill)] => (Moment::AfterInvocation, Interference::KillAfter),
            // Only calls are held.
            _ => {
                self.order.note(function, Occurrence::Invoked);
                return Interference::Go;
            }
        };
        self.note(moment.kill(), function, None);
        interference
    }
}
