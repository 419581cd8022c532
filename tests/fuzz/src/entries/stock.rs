//! Valid queue messages, which the generators mutate. The real reader of webhooks makes the messages for
//! `webhook-events`.

use serde_json::Value;
use shared::domain::Time;
use shared::message::webhook::Incoming;
use shared::webhook::UnverifiedWebhook;

use super::keys;
use crate::chance::Chance;
use crate::mutate;
use crate::world::Failed;
use crate::world::webhooks::{every_kind, sign};

/// Valid messages of one kind.
pub struct Stock(Vec<Value>);

impl Stock {
    /// The messages of webhooks.
    ///
    /// # Errors
    /// Fails if a webhook cannot be read.
    pub fn webhook_events() -> Result<Self, Failed> {
        let (mut messages, now) = (Vec::new(), Time::from_millis(1_795_341_600_000));
        for body in every_kind() {
            let body = body.to_string();
            let webhook = UnverifiedWebhook {
                body: body.as_bytes(),
                signature: Some(&sign(body.as_bytes())),
            };
            if let Incoming::Event(event) = webhook.verify(&keys()?, now)?.read(now) {
                messages.push(serde_json::to_value(event)?);
            }
        }
        Ok(Self(messages))
    }

    /// A stock of these messages.
    #[must_use]
    pub fn of(messages: &[Value]) -> Self {
        Self(messages.to_vec())
    }

    /// Adds another kind's messages.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// A readable message, often with a few values of another message.
    pub fn readable(&self, chance: &mut Chance) -> Vec<u8> {
        let (at, other) = (chance.below(self.0.len()), chance.below(self.0.len()));
        let (Some(message), Some(other)) = (self.0.get(at), self.0.get(other)) else {
            return Vec::new();
        };
        let mut message = message.clone();
        for _ in 0..chance.pick([0, 1, 1, 2]) {
            mutate::json::cross(&mut message, other, chance);
        }
        message.to_string().into_bytes()
    }

    /// A message, usually mutated.
    pub fn message(&self, chance: &mut Chance) -> Vec<u8> {
        if chance.one_in(40) {
            return mutate::bytes::noise(chance);
        }
        let at = chance.below(self.0.len());
        match self.0.get(at) {
            Some(message) => mutate::document(message.clone(), chance),
            None => Vec::new(),
        }
    }
}
