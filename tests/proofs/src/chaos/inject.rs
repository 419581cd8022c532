//! Fault injection. At every point of the sandbox, the injector draws whether a fault occurs, injects it, and logs it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sandbox_host::{Interference, Invocation, Killer};
use sandbox_machine::SandboxOptions;
use sandbox_machine::functions::FUNCTION_NAMES;
use sandbox_metriport::{CallInfo, DeliveryDecision, DeliveryInfo, Failure, Operation};
use shared::clock;
use shared::webhook::PULL_MARK;

use super::evidence::{Injection, Log};
use super::plan::{Dice, Kind, Rates};
use crate::caller::caller;

/// The longest delay of a webhook and of a duplicate queue message, before time is scaled.
const LATE_MS: u64 = 60_000;
/// The longest delay of an answer of Metriport, before time is scaled; a function still waits for it.
const ANSWER_LATE_MS: u64 = 4_000;
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

/// A planned kill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Strike {
    pub(super) kind: Kind,
    pub(super) function: String,
    /// Occasions that pass before the kill.
    pub(super) skips: u64,
}

/// The injected faults and their log.
pub(super) struct FaultInjector {
    dice: Dice,
    rates: Rates,
    scale: u64,
    enabled: AtomicBool,
    begun: AtomicU32,
    strikes: Mutex<Vec<Strike>>,
    log: Log,
    calls: Mutex<Vec<UpstreamCall>>,
    occasions: Mutex<BTreeMap<Occasion, u64>>,
    killer: Killer,
}

/// A point at which a function can be killed: before or after one of its calls or invocations.
pub(super) type Occasion = (Kind, &'static str);

impl FaultInjector {
    pub(super) fn new(seed: u64, rates: Rates, scale: u32) -> Arc<Self> {
        Arc::new(Self {
            dice: Dice::new(seed),
            rates,
            scale: u64::from(scale.max(1)),
            enabled: AtomicBool::new(false),
            begun: AtomicU32::new(0),
            strikes: Mutex::default(),
            log: Log::default(),
            calls: Mutex::default(),
            occasions: Mutex::default(),
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

    /// Turns the faults on or off, and drops the planned kills.
    pub(super) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::SeqCst);
        self.strikes().clear();
    }

    /// Plans one more kill.
    pub(super) fn strike(&self, strike: Strike) {
        self.strikes().push(strike);
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
        let kind = Kind::KILLS
            .get(number as usize / every as usize % Kind::KILLS.len())
            .copied();
        let function = FUNCTION_NAMES.get(pick(FUNCTION_NAMES.len()));
        if let (Some(kind), Some(function)) = (kind, function) {
            self.strike(Strike {
                kind,
                function: (*function).to_owned(),
                skips: self.dice.below(KILL_SKIPS),
            });
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

    fn strikes(&self) -> MutexGuard<'_, Vec<Strike>> {
        self.strikes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of times that each occasion occurred so far.
    pub(super) fn occasions(&self) -> BTreeMap<Occasion, u64> {
        self.occasions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The number of planned kills that have not happened yet.
    pub(super) fn waiting(&self) -> usize {
        self.strikes().len()
    }

    /// Counts the occasion, and decides whether a kill happens at it.
    fn strikes_now(&self, kind: Kind, function: &'static str) -> bool {
        let mut occasions = self.occasions.lock().unwrap_or_else(PoisonError::into_inner);
        *occasions.entry((kind, function)).or_default() += 1;
        drop(occasions);
        let mut strikes = self.strikes();
        let Some(place) = strikes
            .iter()
            .position(|strike| strike.kind == kind && strike.function == function)
        else {
            return false;
        };
        match strikes.get_mut(place) {
            Some(strike) if strike.skips > 0 => {
                strike.skips -= 1;
                false
            }
            _ => {
                strikes.remove(place);
                true
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

    async fn kill(&self, kind: Kind, function: &str, pull: Option<String>) {
        self.note(kind, function, pull);
        self.killer.kill(function).await;
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
        let (kind, interference) = if self.strikes_now(Kind::KilledBeforeInvocation, function) {
            (Kind::KilledBeforeInvocation, Interference::KillBefore)
        } else if self.strikes_now(Kind::KilledAfterInvocation, function) {
            (Kind::KilledAfterInvocation, Interference::KillAfter)
        } else {
            return Interference::Go;
        };
        self.note(kind, function, None);
        interference
    }
}

struct AtAws(Arc<FaultInjector>);

/// The function behind an access key id; `None` for the host's own calls.
fn function_of(access_key_id: Option<&str>) -> Option<&'static str> {
    let key = access_key_id?.strip_prefix("SANDBOX")?;
    FUNCTION_NAMES
        .iter()
        .copied()
        .find(|name| name.replace('-', "").eq_ignore_ascii_case(key))
}

#[async_trait::async_trait]
impl sandbox_aws::Interceptor for AtAws {
    async fn before(&self, call: &sandbox_aws::Call) -> sandbox_aws::Verdict {
        let Some(function) = function_of(call.access_key_id.as_deref()) else {
            return sandbox_aws::Verdict::Forward;
        };
        if self.0.strikes_now(Kind::KilledBeforeCall, function) {
            self.0.kill(Kind::KilledBeforeCall, function, None).await;
            return sandbox_aws::Verdict::Drop;
        }
        let kinds: &[Kind] = match call.service {
            sandbox_aws::Service::DynamoDb => &[Kind::TableThrottled, Kind::AwsError, Kind::AwsLostBefore],
            _ => &[Kind::AwsError, Kind::AwsLostBefore],
        };
        let Some(kind) = self.0.throw(kinds) else {
            return sandbox_aws::Verdict::Forward;
        };
        self.0.note(kind, function, None);
        match kind {
            Kind::TableThrottled => sandbox_aws::Verdict::Throttle,
            Kind::AwsError => sandbox_aws::Verdict::Fail(sandbox_aws::Failure::Internal),
            _ => sandbox_aws::Verdict::Drop,
        }
    }

    async fn after(&self, call: &sandbox_aws::Call, _status: u16) -> sandbox_aws::Ending {
        let Some(function) = function_of(call.access_key_id.as_deref()) else {
            return sandbox_aws::Ending::Return;
        };
        if self.0.strikes_now(Kind::KilledAfterCall, function) {
            self.0.kill(Kind::KilledAfterCall, function, None).await;
            return sandbox_aws::Ending::Drop;
        }
        match self.0.throw(&[Kind::AwsLostAfter]) {
            Some(kind) => {
                self.0.note(kind, function, None);
                sandbox_aws::Ending::Drop
            }
            None => sandbox_aws::Ending::Return,
        }
    }

    fn message(&self, _message: &sandbox_aws::MessageInfo) -> sandbox_aws::Passage {
        let again = self.0.throw(&[Kind::QueueDuplicate]).map(|kind| {
            self.0.note(kind, "", None);
            self.0.up_to(LATE_MS)
        });
        sandbox_aws::Passage {
            late_ms: 0,
            again_after_ms: again,
        }
    }
}

struct AtUpstream(Arc<FaultInjector>);

fn pull_of(call: &CallInfo) -> Option<String> {
    let is_start = call.operation == Operation::StartNetworkQuery;
    is_start.then(|| call.metadata.get(PULL_MARK).cloned()).flatten()
}

#[async_trait::async_trait]
impl sandbox_metriport::Interceptor for AtUpstream {
    fn decide(&self, call: &CallInfo) -> Option<Failure> {
        let function = caller(call)?;
        let kind = self.0.fault_of(call.operation)?;
        self.0.note(kind, function, pull_of(call));
        Some(match kind {
            Kind::LinkDead => Failure::link_refused(),
            Kind::UpstreamLimited => Failure::RateLimited { retry_after_secs: 1 },
            Kind::UpstreamThrottled => Failure::limit_exceeded(),
            Kind::SourceLimited => Failure::sources_limited(vec![sandbox_metriport::Source::Lab]),
            Kind::UpstreamError => Failure::internal(),
            Kind::UpstreamErrorAfter => Failure::internal().after_effect(),
            Kind::UpstreamTimeout => Failure::gateway_timeout().after_effect(),
            Kind::UpstreamTruncated => Failure::Garbage,
            Kind::ResetBefore => Failure::ResetBeforeEffect,
            Kind::ResetAfter => Failure::ResetAfterEffect,
            Kind::WebhookBeforeAnswer => Failure::HangFor(ANSWER_LATE_MS / self.0.scale),
            _ => Failure::HangFor(self.0.up_to(ANSWER_LATE_MS)),
        })
    }

    async fn before(&self, call: &CallInfo) -> sandbox_metriport::Passage {
        let Some(function) = caller(call) else {
            return sandbox_metriport::Passage::Go;
        };
        if let Some(subject) = &call.external_id {
            let mut calls = self.0.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(UpstreamCall {
                subject: subject.clone(),
                operation: call.operation,
                at_ms: clock::now().millis(),
            });
        }
        if self.0.strikes_now(Kind::KilledBeforeCall, function) {
            self.0.kill(Kind::KilledBeforeCall, function, pull_of(call)).await;
            return sandbox_metriport::Passage::Drop;
        }
        sandbox_metriport::Passage::Go
    }

    async fn after(&self, call: &CallInfo, _status: u16) -> sandbox_metriport::Passage {
        let Some(function) = caller(call) else {
            return sandbox_metriport::Passage::Go;
        };
        if self.0.strikes_now(Kind::KilledAfterCall, function) {
            self.0.kill(Kind::KilledAfterCall, function, pull_of(call)).await;
            return sandbox_metriport::Passage::Drop;
        }
        sandbox_metriport::Passage::Go
    }
}

/// Faults of any call to Metriport's API.
const OF_CALLS: [Kind; 9] = [
    Kind::UpstreamLatency,
    Kind::UpstreamLimited,
    Kind::UpstreamThrottled,
    Kind::UpstreamError,
    Kind::UpstreamErrorAfter,
    Kind::UpstreamTimeout,
    Kind::UpstreamTruncated,
    Kind::ResetBefore,
    Kind::ResetAfter,
];
/// Additional faults of the start of a query.
const OF_STARTS: [Kind; 2] = [Kind::WebhookBeforeAnswer, Kind::SourceLimited];
/// Faults of a transfer.
const OF_TRANSFERS: [Kind; 3] = [Kind::LinkDead, Kind::ResetAfter, Kind::UpstreamTruncated];

impl FaultInjector {
    /// Draws the fault of a call.
    fn fault_of(&self, operation: Operation) -> Option<Kind> {
        match operation {
            Operation::DownloadFile => self.throw(&OF_TRANSFERS),
            Operation::StartNetworkQuery => self.throw(&OF_STARTS).or_else(|| self.throw(&OF_CALLS)),
            _ => self.throw(&OF_CALLS),
        }
    }
}
