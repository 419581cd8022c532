//! The in-process view of the queues, for tests and proofs. It reads queues without receiving their messages.

use super::broker::Broker;
use super::message::Message;
use super::queue::QueueDepths;
use super::refusal::Refusal;
use super::settings::{Redrive, Settings};
use crate::ambient;
use crate::error::Error;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A queue to create. Times are whole seconds, within the ranges that AWS allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSpec {
    /// 1 to 80 letters, digits, hyphens or underscores.
    pub name: String,
    /// How long a received message stays hidden, 0 to 43,200.
    pub visibility_timeout_secs: u32,
    /// How long a sent message stays hidden, 0 to 900.
    pub delay_secs: u32,
    /// How long a message is kept, 60 to 1,209,600.
    pub retention_secs: u32,
    /// The name of the dead-letter queue, which must exist, and the number of deliveries before a message moves there.
    pub redrive: Option<(String, u32)>,
}

/// A message in its queue. `Debug` omits the body.
#[derive(Clone, PartialEq, Eq)]
pub struct PeekedMessage {
    /// The id that `SendMessage` returned.
    pub message_id: String,
    /// The body as it was sent.
    pub body: String,
    /// How often the message was delivered.
    pub receive_count: u32,
    /// The time of sending, in milliseconds since the Unix epoch.
    pub sent_at_ms: u64,
}

impl fmt::Debug for PeekedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut peeked = f.debug_struct("PeekedMessage");
        peeked
            .field("message_id", &self.message_id)
            .field("receive_count", &self.receive_count)
            .finish_non_exhaustive()
    }
}

/// Reads the queues without receiving their messages. Cheap to clone.
#[derive(Clone)]
pub struct SqsHandle {
    broker: Arc<Broker>,
}

impl SqsHandle {
    pub(super) fn new(broker: Arc<Broker>) -> SqsHandle {
        SqsHandle { broker }
    }

    /// The number of messages in each queue, by queue name.
    pub fn depths(&self) -> BTreeMap<String, QueueDepths> {
        let now_ms = ambient::now_ms();
        self.broker.read(|account| {
            let depths = account
                .queues
                .iter()
                .map(|(name, queue)| (name.clone(), queue.depths(now_ms)));
            depths.collect()
        })
    }

    /// Every message of the queue that has not expired, visible or not, in the order of arrival. `None` if the queue
    /// does not exist.
    pub fn messages(&self, queue: &str) -> Option<Vec<PeekedMessage>> {
        let now_ms = ambient::now_ms();
        self.broker
            .read(|account| Some(account.queues.get(queue)?.messages(now_ms).map(peek).collect()))
    }

    /// The queue's URL, or `None` if the queue does not exist.
    pub fn queue_url(&self, name: &str) -> Option<String> {
        self.broker
            .read(|account| account.queues.contains_key(name))
            .then(|| self.broker.queue_url(name))
    }

    /// The queue's ARN, or `None` if the queue does not exist.
    pub fn queue_arn(&self, name: &str) -> Option<String> {
        self.broker
            .read(|account| account.queues.contains_key(name).then(|| account.arn(name)))
    }

    /// Waits until `condition` holds for the depths of all queues. It checks after every change of a queue. A message
    /// that becomes visible because time passes is noticed only at the next change. The caller must limit the wait.
    pub async fn wait_until(&self, mut condition: impl FnMut(&BTreeMap<String, QueueDepths>) -> bool) {
        let mut changes = self.broker.changes();
        while !condition(&self.depths()) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Creates the queue, or gives an existing queue these settings, and returns its URL.
    pub(crate) fn create_queue(&self, spec: &QueueSpec) -> Result<String, Error> {
        let created = self.broker.change(|account| {
            let redrive = spec.redrive.as_ref().map(|(name, max)| Redrive {
                target_arn: account.arn(name),
                max_receive_count: *max,
            });
            let settings = Settings {
                visibility_secs: spec.visibility_timeout_secs,
                delay_secs: spec.delay_secs,
                retention_secs: spec.retention_secs,
                redrive,
            };
            account.put_queue(&spec.name, settings, ambient::now_ms())
        });
        created.map_err(|refusal: Refusal| Error::Sqs(refusal.to_string()))?;
        Ok(self.broker.queue_url(&spec.name))
    }
}

fn peek(message: &Message) -> PeekedMessage {
    PeekedMessage {
        message_id: message.id.to_string(),
        body: message.body.clone(),
        receive_count: message.receive_count,
        sent_at_ms: message.sent_at_ms,
    }
}
