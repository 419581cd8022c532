//! Runs a fault plan: numbers calls and deliveries, asks the plan, and counts the faults.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::about::About;
use crate::faults::Failure;
use crate::interceptor::{CallInfo, DeliveryDecision, DeliveryInfo, FaultCounts, FaultPlan, Interceptor, Passage};
use crate::operation::Operation;

type Counts = Arc<Mutex<FaultCounts>>;

#[derive(Default)]
pub(crate) struct Interception {
    plan: FaultPlan,
    numbers: Mutex<Numbers>,
    counts: Counts,
}

#[derive(Default)]
struct Numbers {
    operations: HashMap<Operation, u64>,
    callers: HashMap<String, u64>,
    attempts: HashMap<String, u32>,
    deliveries: u64,
}

pub(crate) struct Watched {
    interceptor: Arc<dyn Interceptor>,
    call: Arc<CallInfo>,
    counts: Counts,
}

pub(crate) struct Delivery<'a> {
    pub(crate) event_type: &'a str,
    pub(crate) message_id: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) replayed: bool,
}

impl Interception {
    pub(crate) fn new(plan: FaultPlan) -> Self {
        Self {
            plan,
            ..Self::default()
        }
    }

    pub(crate) fn count(&self, kind: &'static str) {
        *locked(&self.counts).entry(kind).or_default() += 1;
    }

    pub(crate) fn counts(&self) -> FaultCounts {
        locked(&self.counts).clone()
    }

    /// Whether the plan decides about calls.
    pub(crate) fn watches(&self) -> bool {
        self.plan.calls.is_some()
    }

    /// The call with its numbers, if the plan decides about calls.
    pub(crate) fn watch(&self, operation: Operation, user_agent: &str, about: About) -> Option<Watched> {
        let interceptor = Arc::clone(self.plan.calls.as_ref()?);
        let mut numbers = locked(&self.numbers);
        let call = CallInfo {
            operation,
            ordinal: next(&mut numbers.operations, operation),
            caller_ordinal: next(&mut numbers.callers, user_agent.to_owned()),
            user_agent: user_agent.to_owned(),
            external_id: about.external_id,
            metadata: about.metadata,
        };
        let call = Arc::new(call);
        let counts = Arc::clone(&self.counts);
        Some(Watched {
            interceptor,
            call,
            counts,
        })
    }

    /// Whether the plan decides about deliveries.
    pub(crate) fn plans_deliveries(&self) -> bool {
        self.plan.webhooks.is_some()
    }

    /// The plan's decision about a delivery, counted.
    pub(crate) fn decide_delivery(&self, delivery: &Delivery<'_>) -> DeliveryDecision {
        let Some(plan) = &self.plan.webhooks else {
            return DeliveryDecision::Deliver;
        };
        let info = self.delivery_info(delivery);
        let decision = plan(&info);
        match decision {
            DeliveryDecision::Deliver => {}
            DeliveryDecision::Drop => self.count("webhook_dropped"),
            DeliveryDecision::Double => self.count("webhook_doubled"),
            DeliveryDecision::DelayMs(_) => self.count("webhook_delayed"),
            DeliveryDecision::DropAnswer => self.count("webhook_answer_dropped"),
        }
        decision
    }

    fn delivery_info(&self, delivery: &Delivery<'_>) -> DeliveryInfo {
        let mut numbers = locked(&self.numbers);
        numbers.deliveries += 1;
        let attempt = numbers.attempts.entry(delivery.message_id.to_owned()).or_default();
        *attempt += 1;
        DeliveryInfo {
            event_type: delivery.event_type.to_owned(),
            message_id: delivery.message_id.to_owned(),
            request_id: delivery.request_id.to_owned(),
            attempt: *attempt,
            replayed: delivery.replayed,
            ordinal: numbers.deliveries,
        }
    }
}

impl Watched {
    pub(crate) fn decide(&self) -> Option<Failure> {
        self.interceptor.decide(&self.call)
    }

    /// Asks the interceptor in a separate task. If the interceptor kills the caller's process, the connection closes
    /// and this future is dropped, but the task continues.
    pub(crate) async fn before(&self) -> Passage {
        let (interceptor, call, counts) = self.clones();
        passage(tokio::spawn(async move {
            let passage = interceptor.before(&call).await;
            count_drop(&counts, passage, "dropped_before");
            passage
        }))
        .await
    }

    /// Asks the interceptor in a separate task, like [`Self::before`].
    pub(crate) async fn after(&self, status: u16) -> Passage {
        let (interceptor, call, counts) = self.clones();
        passage(tokio::spawn(async move {
            let passage = interceptor.after(&call, status).await;
            count_drop(&counts, passage, "dropped_after");
            passage
        }))
        .await
    }

    fn clones(&self) -> (Arc<dyn Interceptor>, Arc<CallInfo>, Counts) {
        let interceptor = Arc::clone(&self.interceptor);
        (interceptor, Arc::clone(&self.call), Arc::clone(&self.counts))
    }
}

async fn passage(task: tokio::task::JoinHandle<Passage>) -> Passage {
    task.await.unwrap_or_else(|error| {
        tracing::error!(%error, "the interceptor failed");
        Passage::Drop
    })
}

fn count_drop(counts: &Counts, passage: Passage, kind: &'static str) {
    if passage == Passage::Drop {
        *locked(counts).entry(kind).or_default() += 1;
    }
}

fn next<K: Eq + Hash>(numbers: &mut HashMap<K, u64>, key: K) -> u64 {
    let number = numbers.entry(key).or_default();
    *number += 1;
    *number
}

/// Locks the value even after another thread panicked.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
