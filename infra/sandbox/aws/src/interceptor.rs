//! Faults on purpose: what an interceptor can do to calls and to messages, and how often it did.
//!
//! The decision, seeded or scripted, is the caller's; this crate only offers the points and keeps the count.

use crate::gate::Call;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Decides what becomes of calls and messages. Every method has a default that lets everything pass.
///
/// `before` and `after` may take their time: the caller waits. Each runs to its end even if the caller goes away
/// meanwhile, so that it can be the one that ends the caller's process, and then answer with a drop.
#[async_trait::async_trait]
pub trait Interceptor: Send + Sync {
    /// Asked before the service sees the call.
    async fn before(&self, _call: &Call) -> Verdict {
        Verdict::Forward
    }

    /// Asked when the service has answered with this HTTP status, before the caller hears of it. Not asked for calls
    /// that `before` did not forward.
    async fn after(&self, _call: &Call, _status: u16) -> Ending {
        Ending::Return
    }

    /// Asked for every message that a queue takes in from `SendMessage` or `SendMessageBatch`.
    fn message(&self, _message: &MessageInfo) -> Passage {
        Passage::default()
    }
}

/// An [`Interceptor`] as options carry it.
pub type SharedInterceptor = Arc<dyn Interceptor>;

/// What becomes of a call that no service has seen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The service answers it.
    Forward,
    /// Refused with the service's own throttling error. No effect.
    Throttle,
    /// Refused with the service's own error. No effect.
    Fail(Failure),
    /// The connection ends without an answer. No effect.
    Drop,
}

/// What becomes of an answer: the call has had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The caller gets it.
    Return,
    /// The caller gets an error instead.
    Fail(Failure),
    /// The connection ends without an answer.
    Drop,
}

/// Errors every service has, each in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// 500.
    Internal,
    /// 503.
    Unavailable,
}

/// A message that a queue takes in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// The queue's name.
    pub queue: String,
    /// Its number among the messages this queue took in since the start, from 1.
    pub ordinal: u64,
    /// The id that `SendMessage` returns.
    pub message_id: String,
    /// The access key id of its sender.
    pub sender: String,
    /// The delay it asks for, in seconds, before any time scale; `None` leaves it to the queue.
    pub delay_secs: Option<u32>,
}

/// How a message goes through its queue. Times are real milliseconds, on top of the message's own delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passage {
    /// It comes this much later, and so after messages that were sent after it.
    pub late_ms: u64,
    /// It comes again under the same message id, this long after it first became visible, whether or not it was
    /// deleted by then: a standard queue delivers at least once (docs.aws.amazon.com, Amazon SQS developer guide,
    /// "At-least-once delivery").
    pub again_after_ms: Option<u64>,
}

/// How often each kind of fault was injected. The kinds: `throttled`, `failed_before`, `failed_after`,
/// `dropped_before`, `dropped_after`, `message_late`, `message_doubled`; those that never were are absent.
pub type FaultCounts = BTreeMap<&'static str, u64>;

/// Counts faults, from everywhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct FaultCounter(Arc<Mutex<FaultCounts>>);

impl FaultCounter {
    pub(crate) fn count(&self, kind: &'static str) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry(kind).or_default() += 1;
    }

    pub(crate) fn read(&self) -> FaultCounts {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
