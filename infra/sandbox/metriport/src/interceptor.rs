//! Fault plans: decisions about each call and each webhook.
//!
//! The user of the stand-in decides, by a seed or a script; the stand-in only asks and counts.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::faults::Failure;
use crate::operation::Operation;

/// Decides how calls proceed. The default of every method lets them pass.
///
/// `before` and `after` may take time, because the caller waits for them. Both run to their end even if the caller
/// disconnects. They can therefore kill the caller's process, and then return [`Passage::Drop`].
#[async_trait::async_trait]
pub trait Interceptor: Send + Sync {
    /// The failure of this call, if any. A failure from `fail_next` takes precedence.
    fn decide(&self, _call: &CallInfo) -> Option<Failure> {
        None
    }

    /// Awaited before a call has an effect.
    async fn before(&self, _call: &CallInfo) -> Passage {
        Passage::Go
    }

    /// Awaited after the effect of a call, before its answer with this HTTP status is sent.
    async fn after(&self, _call: &CallInfo, _status: u16) -> Passage {
        Passage::Go
    }
}

/// Whether a call or its answer proceeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It proceeds.
    Go,
    /// The connection ends here.
    Drop,
}

/// One call to the stand-in, including hosted pages and record links.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallInfo {
    /// The operation that is called.
    pub operation: Operation,
    /// Number of this call among the calls of its operation, from 1.
    pub ordinal: u64,
    /// Number of this call among the calls with the same `User-Agent`, from 1.
    pub caller_ordinal: u64,
    /// The caller's `User-Agent`; empty if it sent none.
    pub user_agent: String,
    /// The `externalId` of the patient, if known.
    pub external_id: Option<String>,
    /// The metadata of the call.
    pub metadata: BTreeMap<String, String>,
}

/// The treatment of one delivery of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryDecision {
    /// It is delivered.
    Deliver,
    /// It is lost on the way and counts as failed; a replay delivers it.
    Drop,
    /// It is delivered twice, one after the other.
    Double,
    /// It is delivered this many real milliseconds late, and other messages overtake it. A replay sends its messages
    /// one after the other, so its later messages wait too.
    DelayMs(u64),
    /// It is delivered, but the answer is lost. It counts as failed, and a replay delivers it again.
    DropAnswer,
}

/// One delivery of a webhook, before it is made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryInfo {
    /// `meta.type`.
    pub event_type: String,
    /// `meta.messageId`.
    pub message_id: String,
    /// `meta.requestId`.
    pub request_id: String,
    /// Number of attempts to deliver this message, including this one, from 1.
    pub attempt: u32,
    /// Whether this is a replay.
    pub replayed: bool,
    /// Number of this delivery among all that the plan decides about, from 1.
    pub ordinal: u64,
}

/// Decides about deliveries of events, but not about pings, samples, or messages that a test releases or sends again.
pub type DeliveryPlan = Arc<dyn Fn(&DeliveryInfo) -> DeliveryDecision + Send + Sync>;

/// The plans that decide about faults. Without a plan, the check for faults costs nothing.
#[derive(Clone, Default)]
pub struct FaultPlan {
    /// Decides about every call.
    pub calls: Option<Arc<dyn Interceptor>>,
    /// Decides about every delivery of an event.
    pub webhooks: Option<DeliveryPlan>,
}

impl fmt::Debug for FaultPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultPlan")
            .field("calls", &self.calls.is_some())
            .field("webhooks", &self.webhooks.is_some())
            .finish()
    }
}

/// Number of injected faults by kind: a [`Failure::kind`], `dropped_before`, `dropped_after` or, for webhooks,
/// `webhook_dropped`, `webhook_doubled`, `webhook_delayed` and `webhook_answer_dropped`. Kinds that did not occur are
/// absent.
pub type FaultCounts = BTreeMap<&'static str, u64>;
