//! Faults by plan: what may be decided about each call and each webhook as it comes.
//!
//! The decision, seeded or scripted, is the caller's; the stand-in only asks at each point and counts what it did.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use crate::faults::Failure;
use crate::operation::Operation;

/// Decides what becomes of calls. Every method has a default that lets everything pass.
///
/// `before` and `after` may take their time: the caller waits. Each runs to its end even if the caller goes away
/// meanwhile, so that it can be the one that ends the caller's process, and then answer with a drop.
#[async_trait::async_trait]
pub trait Interceptor: Send + Sync {
    /// How this call misbehaves, if it does. Asked after a `fail_next` that waits for the operation.
    fn decide(&self, _call: &CallInfo) -> Option<Failure> {
        None
    }

    /// Awaited when a call has arrived, before it has any effect.
    async fn before(&self, _call: &CallInfo) -> Passage {
        Passage::Go
    }

    /// Awaited when a call has had its effect and the answer with this HTTP status is ready, before it is sent.
    async fn after(&self, _call: &CallInfo, _status: u16) -> Passage {
        Passage::Go
    }
}

/// Whether a call, or its answer, goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// It does.
    Go,
    /// The connection ends here.
    Drop,
}

/// One call to the stand-in, hosted pages and record links among them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallInfo {
    /// What is asked for.
    pub operation: Operation,
    /// Its number among the calls of this operation since the start, from 1.
    pub ordinal: u64,
    /// Its number among the calls of this caller, by `User-Agent`, since the start, from 1.
    pub caller_ordinal: u64,
    /// The caller's `User-Agent`, empty if it sent none.
    pub user_agent: String,
    /// The `externalId` of the patient it is about, if that can be told.
    pub external_id: Option<String>,
    /// The metadata that came with it.
    pub metadata: BTreeMap<String, String>,
}

/// What may be done to one delivery of a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Deliver,
    /// It is lost on the way, and counts as failed: a retry would bring it.
    Drop,
    /// It is delivered twice, one after the other.
    Double,
    /// It is delivered this many real milliseconds late, and others overtake it. A retry sends one message after the
    /// other: there the rest waits with it.
    DelayMs(u64),
    /// It is delivered, but the answer is lost: it counts as failed, and a retry brings it once more.
    DropAnswer,
}

/// One delivery of a webhook that is about to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryInfo {
    /// `meta.type`.
    pub event_type: String,
    /// `meta.messageId`.
    pub message_id: String,
    /// `meta.requestId`.
    pub request_id: String,
    /// How often this message was about to be delivered, this time included, from 1.
    pub attempt: u32,
    /// Whether a retry brings it.
    pub replayed: bool,
    /// Its number among all deliveries that were asked about, from 1.
    pub ordinal: u64,
}

/// Decides about deliveries of events. Pings, samples, and what a test releases or sends again by hand are not asked
/// about.
pub type DeliveryPlan = Arc<dyn Fn(&DeliveryInfo) -> Fate + Send + Sync>;

/// What is asked about faults. Nothing by default, and then nothing is spent on it.
#[derive(Clone, Default)]
pub struct FaultPlan {
    /// Asked about every call.
    pub calls: Option<Arc<dyn Interceptor>>,
    /// Asked about every delivery of an event.
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

/// How often each kind of fault was injected, by [`Failure::kind`], `dropped_before`, `dropped_after`, or, for
/// webhooks, `webhook_dropped`, `webhook_doubled`, `webhook_delayed` and `webhook_answer_dropped`. Those that never
/// were are absent.
pub type FaultCounts = BTreeMap<&'static str, u64>;
