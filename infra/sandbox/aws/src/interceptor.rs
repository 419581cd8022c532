//! Deliberate faults: the decisions that an interceptor can make about calls and messages, and the count of each fault.
//!
//! The program that starts the embedded AWS supplies the interceptor. This crate only asks it for decisions and counts
//! the faults.

use crate::gate::Call;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Decides about calls and messages. By default every method lets everything pass.
///
/// `before` and `after` may take time: the caller waits. They run to their end even if the caller disconnects. They can
/// therefore kill the caller's process and then return `Drop`.
#[async_trait::async_trait]
pub trait Interceptor: Send + Sync {
    /// Called before the service sees the call.
    async fn before(&self, _call: &Call) -> Verdict {
        Verdict::Forward
    }

    /// Called after the service has answered with this HTTP status, before the caller gets the answer. Not called for
    /// calls that `before` did not forward.
    async fn after(&self, _call: &Call, _status: u16) -> Ending {
        Ending::Return
    }

    /// Called for every message that a queue accepts from `SendMessage` or `SendMessageBatch`.
    fn message(&self, _message: &MessageInfo) -> Passage {
        Passage::default()
    }
}

/// A shared [`Interceptor`], as [`crate::AwsOptions`] holds it.
pub type SharedInterceptor = Arc<dyn Interceptor>;

/// A decision about a call that no service has seen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The service answers the call.
    Forward,
    /// The gate refuses the call with the service's own throttling error. The call has no effect.
    Throttle,
    /// The gate refuses the call with the service's own error. The call has no effect.
    Fail(Failure),
    /// The connection ends without an answer. The call has no effect.
    Drop,
}

/// A decision about an answer. The call has already had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The caller gets the answer.
    Return,
    /// The caller gets an error instead.
    Fail(Failure),
    /// The connection ends without an answer.
    Drop,
}

/// Errors that every service has, each in its own format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// HTTP status 500.
    Internal,
    /// HTTP status 503.
    Unavailable,
}

/// A message that a queue accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageInfo {
    /// The queue's name.
    pub queue: String,
    /// The message's number, from 1, among the messages that this queue has accepted since the embedded AWS started.
    pub ordinal: u64,
    /// The id that `SendMessage` returns.
    pub message_id: String,
    /// The sender's access key id.
    pub sender: String,
    /// The requested delay in seconds, before the time scale divides it; `None` means the queue's own delay.
    pub delay_secs: Option<u32>,
}

/// How the queue delivers a message. Times are real milliseconds, and are added to the message's own delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Passage {
    /// The message becomes visible this much later, so that messages sent after it can overtake it.
    pub late_ms: u64,
    /// The queue delivers the message again under the same message id, this long after it first became visible, even if
    /// it was deleted before. A standard queue delivers at least once (docs.aws.amazon.com, Amazon SQS developer guide,
    /// "At-least-once delivery").
    pub again_after_ms: Option<u64>,
}

/// How often each kind of fault was injected. The kinds: `throttled`, `failed_before`, `failed_after`,
/// `dropped_before`, `dropped_after`, `message_late`, `message_doubled`. Kinds that never occurred are absent.
pub type FaultCounts = BTreeMap<&'static str, u64>;

/// Clones share one count.
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
