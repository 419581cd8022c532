//! Webhooks as state: sent, failed and held messages.
//!
//! Each message is sent once, because Metriport never retries on its own (docs.metriport.com, page
//! `getting-started/webhooks`). Failed messages are stored until the account asks for a replay of all of them. A replay
//! has the original id, time and links, but not `meta.data` (public code).

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::message::{Message, State};
use crate::{signature, variants};

/// A message that is held back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldDelivery {
    /// Number of the message. It does not change when other messages are released.
    pub index: usize,
    /// `meta.type`.
    pub event_type: String,
    /// `meta.requestId`.
    pub request_id: String,
    /// `meta.messageId`.
    pub message_id: String,
}

/// One delivery attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryLog {
    /// `meta.type`.
    pub event_type: String,
    /// `meta.requestId`, if there is one.
    pub request_id: Option<String>,
    /// `meta.messageId`.
    pub message_id: String,
    /// The receiver's HTTP status; `None` if it did not answer, or answered too late.
    pub status: Option<u16>,
    /// Whether this was a replay, or a test sent the message again.
    pub replayed: bool,
}

/// An item for the edge to send.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Outgoing {
    /// A stored message, for the first time.
    Message(String),
    /// Replays of failed messages, one after the other.
    Replay(Vec<String>),
    /// The check of a URL that was set.
    Ping {
        /// The value that the receiver must return.
        value: String,
        message_id: String,
    },
    /// A payload from a request. It is not stored as a message.
    Sample(Value),
}

/// A message ready to send. It has no `Debug`, because it holds links.
pub(crate) struct Prepared {
    pub(crate) url: String,
    pub(crate) body: Vec<u8>,
    pub(crate) signature: String,
    pub(crate) event_type: String,
    pub(crate) request_id: Option<String>,
    pub(crate) message_id: String,
}

/// The account's webhook settings, and everything sent to the webhook.
pub(crate) struct Webhooks {
    pub(crate) url: Option<String>,
    pub(crate) key: String,
    pub(crate) enabled: bool,
    pub(crate) status_detail: Option<String>,
    /// Oldest first; `places` maps each message id to the index.
    messages: Vec<Message>,
    places: HashMap<String, usize>,
    outgoing: Vec<Outgoing>,
    holding: bool,
    held: Vec<HeldDelivery>,
    held_ever: usize,
    log: Vec<DeliveryLog>,
}

impl Webhooks {
    pub(crate) fn new(key: String) -> Self {
        Self {
            url: None,
            key,
            enabled: false,
            status_detail: None,
            messages: Vec::new(),
            places: HashMap::new(),
            outgoing: Vec::new(),
            holding: false,
            held: Vec::new(),
            held_ever: 0,
            log: Vec::new(),
        }
    }

    pub(crate) fn take_outgoing(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.outgoing)
    }

    pub(crate) fn send(&mut self, outgoing: Outgoing) {
        self.outgoing.push(outgoing);
    }

    /// Accepts a new message. It is sent, held, or fails at once if no URL is set.
    pub(crate) fn accept(&mut self, mut message: Message) {
        if self.url.is_none() {
            message.state = State::Failed;
        } else if self.holding {
            self.held.push(HeldDelivery {
                index: self.held_ever,
                event_type: message.event_type.clone(),
                request_id: message.request_id.clone(),
                message_id: message.message_id.clone(),
            });
            self.held_ever += 1;
        } else {
            self.outgoing.push(Outgoing::Message(message.message_id.clone()));
        }
        self.places.insert(message.message_id.clone(), self.messages.len());
        self.messages.push(message);
    }

    pub(crate) fn hold(&mut self) {
        self.holding = true;
    }

    pub(crate) fn held(&self) -> &[HeldDelivery] {
        &self.held
    }

    /// Removes the held messages with these numbers, and returns their ids in this order. Unknown numbers are skipped.
    pub(crate) fn take_held(&mut self, order: &[usize]) -> Vec<String> {
        let find = |index: &usize| self.held.iter().find(|held| held.index == *index);
        let taken = order
            .iter()
            .filter_map(find)
            .map(|held| held.message_id.clone())
            .collect();
        self.held.retain(|held| !order.contains(&held.index));
        taken
    }

    /// Removes all held messages, oldest first, and stops holding.
    pub(crate) fn take_all_held(&mut self) -> Vec<String> {
        self.holding = false;
        std::mem::take(&mut self.held)
            .into_iter()
            .map(|held| held.message_id)
            .collect()
    }

    pub(crate) fn lose(&mut self, message_ids: &[String]) {
        for message_id in message_ids {
            self.fail(message_id);
        }
    }

    /// Marks as failed the messages that were on their way when the earlier process ended.
    pub(crate) fn fail_processing(&mut self) {
        for message in &mut self.messages {
            if message.state == State::Processing {
                message.state = State::Failed;
            }
        }
    }

    pub(crate) fn fail(&mut self, message_id: &str) {
        if let Some(message) = self.message_mut(message_id) {
            message.state = State::Failed;
        }
    }

    fn message_mut(&mut self, message_id: &str) -> Option<&mut Message> {
        let place = self.places.get(message_id)?;
        self.messages.get_mut(*place)
    }

    /// Queues a replay of all failed messages, oldest first.
    pub(crate) fn retry_failed(&mut self) {
        let mut again = Vec::new();
        for message in self
            .messages
            .iter_mut()
            .filter(|message| message.state == State::Failed)
        {
            message.state = State::Processing;
            again.push(message.message_id.clone());
        }
        if !again.is_empty() {
            self.outgoing.push(Outgoing::Replay(again));
        }
    }

    pub(crate) fn processing_count(&self) -> usize {
        self.count(State::Processing)
    }

    pub(crate) fn failed_count(&self) -> usize {
        self.count(State::Failed)
    }

    fn count(&self, state: State) -> usize {
        self.messages.iter().filter(|message| message.state == state).count()
    }

    /// The stored message, ready to send; a replay leaves `meta.data` out. `None` if no URL is set or the id is
    /// unknown.
    pub(crate) fn prepare(&self, message_id: &str, with_data: bool) -> Option<Prepared> {
        let message = self.messages.get(*self.places.get(message_id)?)?;
        let body = message.body(with_data);
        self.prepared(
            &body,
            &message.event_type,
            Some(&message.request_id),
            &message.message_id,
        )
    }

    /// Any body, ready to send; `None` without a URL.
    pub(crate) fn prepared(
        &self,
        body: &Value,
        event_type: &str,
        request_id: Option<&str>,
        message_id: &str,
    ) -> Option<Prepared> {
        let body = variants::spell(body).into_bytes();
        Some(Prepared {
            url: self.url.clone()?,
            signature: signature::sign(&self.key, &body),
            body,
            event_type: event_type.to_owned(),
            request_id: request_id.map(str::to_owned),
            message_id: message_id.to_owned(),
        })
    }

    /// Records an attempt. A success enables the webhook again; a failure does not disable it.
    pub(crate) fn add_delivery_log(&mut self, log: DeliveryLog) {
        let delivered = log.status.is_some_and(|status| (200..300).contains(&status));
        let state = if delivered { State::Delivered } else { State::Failed };
        let message = self.message_mut(&log.message_id);
        if let Some(message) = message.filter(|message| message.state != State::Delivered) {
            message.state = state;
        }
        if delivered {
            self.enabled = true;
            self.status_detail = Some("OK".to_owned());
        }
        self.log.push(log);
    }

    pub(crate) fn log(&self) -> &[DeliveryLog] {
        &self.log
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metadata::Metadata;
    use crate::world::World;
    use crate::world::testing::{at, world};
    use serde_json::json;

    fn emitted(url: Option<&str>, count: usize) -> World {
        let (mut world, _) = world();
        world.webhooks.url = url.map(str::to_owned);
        for _ in 0..count {
            let data = Some(Metadata::from([("runId".to_owned(), "run_1".to_owned())]));
            world.emit(at(0), "network-query.hie", "r-1", data, "payload", json!({}));
        }
        world
    }

    fn log(message_id: &str, status: Option<u16>) -> DeliveryLog {
        let (event_type, message_id) = ("network-query.hie".to_owned(), message_id.to_owned());
        DeliveryLog {
            event_type,
            request_id: None,
            message_id,
            status,
            replayed: false,
        }
    }

    fn first_id(world: &mut World) -> String {
        match world.webhooks.take_outgoing().remove(0) {
            Outgoing::Message(id) => id,
            other => panic!("not a message: {other:?}"),
        }
    }

    #[test]
    fn messages_fail_at_once_without_a_url() {
        let mut world = emitted(None, 2);
        assert_eq!(
            (world.webhooks.failed_count(), world.webhooks.take_outgoing()),
            (2, vec![])
        );
    }

    #[test]
    fn failed_messages_are_replayed_without_metadata() {
        let mut world = emitted(Some("http://127.0.0.1:1/"), 2);
        let first = first_id(&mut world);
        world.webhooks.add_delivery_log(log(&first, Some(500)));
        assert_eq!(
            (world.webhooks.failed_count(), world.webhooks.processing_count()),
            (1, 1)
        );
        world.webhooks.retry_failed();
        assert_eq!(world.webhooks.take_outgoing(), [Outgoing::Replay(vec![first.clone()])]);
        let body = |with_data| {
            world
                .webhooks
                .prepare(&first, with_data)
                .map(|ready| ready.body)
                .unwrap()
        };
        let (original, replay) = (body(true), body(false));
        let read = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap();
        assert_eq!(read(&original)["meta"]["data"]["runId"], "run_1");
        assert!(read(&replay)["meta"].get("data").is_none());
        assert_eq!(read(&original)["meta"]["messageId"], read(&replay)["meta"]["messageId"]);
    }

    #[test]
    fn held_messages_keep_their_numbers() {
        let (mut world, _) = world();
        world.webhooks.url = Some("http://127.0.0.1:1/".to_owned());
        world.webhooks.hold();
        for request_id in ["a", "b", "c"] {
            world.emit(at(0), "network-query.lab", request_id, None, "payload", json!({}));
        }
        assert_eq!(world.webhooks.take_held(&[2, 7, 0]).len(), 2);
        let left: Vec<_> = world
            .webhooks
            .held()
            .iter()
            .map(|held| (held.index, held.request_id.as_str()))
            .collect();
        assert_eq!(left, [(1, "b")]);
        assert_eq!(world.webhooks.take_all_held().len(), 1);
    }
}
