//! Valid queue messages, the stock that generators spoil. What Metriport's webhooks become is made by the reader
//! itself.

use serde_json::{Value, json};
use shared::domain::Time;
use shared::webhook::{Incoming, UnverifiedWebhook};

use super::keys;
use crate::chance::Chance;
use crate::mutate;
use crate::world::events::{sign, webhooks};
use crate::world::{Failed, upstream};

/// Valid messages of one kind.
pub struct Stock(Vec<Value>);

impl Stock {
    /// What webhooks become.
    ///
    /// # Errors
    /// When one is not read.
    pub fn webhook_events() -> Result<Self, Failed> {
        let mut messages = Vec::new();
        for body in webhooks() {
            let body = body.to_string();
            let webhook = UnverifiedWebhook {
                body: body.as_bytes(),
                signature: Some(&sign(body.as_bytes())),
            };
            if let Incoming::Event(event) = webhook.verify(&keys()?)?.read(Time::from_millis(1_795_341_600_000)) {
                messages.push(serde_json::to_value(event)?);
            }
        }
        Ok(Self(messages))
    }

    /// What announces due work: that of a run there is, and of a record.
    #[must_use]
    pub fn advances(advance: &Value) -> Self {
        let owner = advance.get("owner").cloned();
        let record = json!({ "version": 1, "owner": owner, "record": upstream::REQUEST, "dueSeq": 1 });
        Self(vec![advance.clone(), advance.clone(), record])
    }

    /// What has a record fetched.
    #[must_use]
    pub fn fetches(advance: &Value) -> Self {
        let link = "https://records.example.test/x?X-Amz-Signature=1";
        let owner = advance.get("owner").cloned();
        Self(vec![
            json!({ "version": 1, "owner": owner, "record": upstream::REQUEST, "dueSeq": 1, "link": link }),
        ])
    }

    /// Another kind's messages too.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// One of them, most often spoilt.
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
