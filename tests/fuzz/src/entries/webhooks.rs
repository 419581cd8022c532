//! Signed bodies: verified, read, and none lost.

use serde_json::{Value, json};
use shared::domain::{MessageId, Time};
use shared::queue::parse;
use shared::webhook::{Event, Incoming, UnverifiedWebhook, WebhookEvent, WebhookKeys};

use super::keys;
use crate::canary;
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::Failed;
use crate::world::events::{sign, webhooks};

/// The reader of webhooks.
pub struct Webhooks {
    keys: WebhookKeys,
    stock: Vec<Value>,
}

/// Its name.
pub const NAME: &str = "webhook-body";

impl Webhooks {
    /// With valid webhooks of every kind.
    ///
    /// # Errors
    /// When there is no key.
    pub fn start() -> Result<Self, Failed> {
        Ok(Self {
            keys: keys()?,
            stock: webhooks(),
        })
    }

    /// A signature over another body, or spelled in another way, is none.
    fn refuses_others(&self, body: &[u8], signature: &str) -> Result<(), String> {
        let mut chance = Chance::of_bytes(body);
        let mut other = body.to_vec();
        mutate::bytes::mutate(&mut other, &mut chance);
        if other != body && self.believes(&other, Some(signature)) {
            return Err("the signature of another body was believed".to_owned());
        }
        let odd = mutate::text::odd(&mut chance);
        let flipped: String = signature.chars().rev().collect();
        let spelled = [
            signature.to_uppercase(),
            format!("{signature} "),
            format!("sha256={signature}"),
            flipped,
            odd,
        ];
        for other in spelled.iter().filter(|other| *other != signature) {
            if self.believes(body, Some(other)) {
                return Err("a signature spelled in another way was believed".to_owned());
            }
        }
        match self.believes(body, None) {
            true => Err("no signature was believed".to_owned()),
            false => Ok(()),
        }
    }

    fn believes(&self, body: &[u8], signature: Option<&str>) -> bool {
        UnverifiedWebhook { body, signature }.verify(&self.keys).is_ok()
    }
}

impl Entry for Webhooks {
    fn name(&self) -> &'static str {
        NAME
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        if chance.one_in(40) {
            return mutate::bytes::noise(chance);
        }
        let at = chance.below(self.stock.len());
        self.stock
            .get(at)
            .map(|body| mutate::document(body.clone(), chance))
            .unwrap_or_default()
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        let signature = sign(input);
        self.refuses_others(input, &signature)?;
        let webhook = UnverifiedWebhook {
            body: input,
            signature: Some(&signature),
        };
        let verified = webhook
            .verify(&self.keys)
            .map_err(|error| format!("its own signature: {error}"))?;
        let digest = verified.digest();
        let body: Value = serde_json::from_slice(input).unwrap_or_default();
        match verified.read(Time::from_millis(0)) {
            Incoming::Ping(ping) if is_ping(&body, &ping) => Ok("ping"),
            Incoming::Ping(_) => Err("taken for a ping".to_owned()),
            Incoming::Event(event) => judge_event(&event, &body, &digest),
        }
    }
}

fn is_ping(body: &Value, ping: &str) -> bool {
    body.pointer("/meta/type") == Some(&json!("ping")) && body.get("ping") == Some(&json!(ping))
}

fn judge_event(event: &WebhookEvent, body: &Value, digest: &str) -> Result<Class, String> {
    let id = body
        .pointer("/meta/messageId")
        .and_then(Value::as_str)
        .and_then(|id| MessageId::parse(id).ok());
    if event.digest != digest || event.message != id.unwrap_or_else(|| MessageId::of_digest(digest)) {
        return Err("another message's id or digest".to_owned());
    }
    let message = serde_json::to_string(event).map_err(|error| format!("cannot be queued: {error}"))?;
    if parse::<WebhookEvent>(&message).as_ref() != Ok(event) {
        return Err(format!("is another event once queued: {message}"));
    }
    let class = match &event.event {
        Event::Source { .. } => "source",
        Event::FirstData { .. } => "first-data",
        Event::Consolidated { .. } => "consolidated",
        Event::Identity { .. } => "identity",
        Event::IdentityUnreadable { .. } => "identity-unreadable",
        Event::Other => "other",
    };
    let is_identity = body.pointer("/meta/type") == Some(&json!("ias.identity.verified"));
    if is_identity != class.starts_with("identity") {
        return Err(format!("an identity event: {is_identity}, read as {class}"));
    }
    if class == "other" && envelope_says_more(&message) {
        return Err(format!("more than the envelope is kept: {message}"));
    }
    Ok(class)
}

/// Ids, type and our own marks are upstream's to choose; there is nothing else in an envelope.
fn envelope_says_more(message: &str) -> bool {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(message) else {
        return true;
    };
    fields.retain(|name, _| !["message", "request", "eventType", "marks"].contains(&name.as_str()));
    canary::is_in(&Value::Object(fields).to_string())
}
