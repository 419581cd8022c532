//! Fuzzes the reader of webhooks with signed bodies: it must verify and read each body.

use serde_json::value::RawValue;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use shared::domain::{MessageId, Time};
use shared::message::parse;
use shared::message::webhook::{Event, Incoming, WebhookEvent};
use shared::webhook::{UnverifiedWebhook, WebhookKeys};

use super::keys;
use crate::canary;
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::Failed;
use crate::world::webhooks::{every_kind, sign};

/// The reader of webhooks.
pub struct Webhooks {
    keys: WebhookKeys,
    stock: Vec<Value>,
}

/// The entry's name.
pub const NAME: &str = "webhook-body";

impl Webhooks {
    /// Starts with valid webhooks of every kind.
    ///
    /// # Errors
    /// Fails if the keys cannot be parsed.
    pub fn start() -> Result<Self, Failed> {
        Ok(Self {
            keys: keys()?,
            stock: every_kind(),
        })
    }

    /// A signature over another body, or in another spelling, must be refused.
    fn refuses_others(&self, body: &[u8], signature: &str) -> Result<(), String> {
        let mut chance = Chance::of_bytes(body);
        let mut other = body.to_vec();
        mutate::bytes::mutate(&mut other, &mut chance);
        if other != body && self.believes(&other, Some(signature)) {
            return Err("the signature of another body was accepted".to_owned());
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
                return Err("another spelling of the signature was accepted".to_owned());
            }
        }
        match self.believes(body, None) {
            true => Err("a missing signature was accepted".to_owned()),
            false => Ok(()),
        }
    }

    /// Checks an event's digest. A body that is not JSON must have the digest of its bytes. For JSON, the content
    /// counts: a replay has the same digest, and a body with another member has a different digest.
    fn judge_digest(&self, event: &WebhookEvent, message: Option<&Value>, bytes: &str) -> Result<(), String> {
        let Some(message) = message else {
            return match event.digest == bytes {
                true => Ok(()),
                false => Err("the digest is not that of the bytes".to_owned()),
            };
        };
        if replayed(message).is_some_and(|replay| self.digest(&replay).is_some_and(|digest| digest != event.digest)) {
            return Err("a replay has another digest".to_owned());
        }
        let mut other = message.clone();
        match other.as_object_mut() {
            Some(fields) => drop(fields.insert(event.digest.clone(), Value::Null)),
            None => other = json!([other]),
        }
        match self.digest(other.to_string().as_bytes()) == Some(event.digest.clone()) {
            true => Err("another message has the same digest".to_owned()),
            false => Ok(()),
        }
    }

    /// The digest of a body, unless the body is a ping.
    fn digest(&self, body: &[u8]) -> Option<String> {
        let signature = sign(body);
        let webhook = UnverifiedWebhook {
            body,
            signature: Some(&signature),
        };
        match webhook
            .verify(&self.keys, Time::from_millis(0))
            .ok()?
            .read(Time::from_millis(0))
        {
            Incoming::Event(event) => Some(event.digest),
            Incoming::Ping(_) => None,
        }
    }

    fn believes(&self, body: &[u8], signature: Option<&str>) -> bool {
        UnverifiedWebhook { body, signature }
            .verify(&self.keys, Time::from_millis(0))
            .is_ok()
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
            .verify(&self.keys, Time::from_millis(0))
            .map_err(|error| format!("the right signature was refused: {error}"))?;
        let message: Option<Value> = serde_json::from_slice(input).ok();
        let bytes = hex::encode(Sha256::digest(input));
        let body = message.clone().unwrap_or_default();
        let odd = message.is_none() && is_json(input);
        match verified.read(Time::from_millis(0)) {
            Incoming::Ping(_) if odd => Ok("ping"),
            Incoming::Event(event) if odd => judge_envelope(&event),
            Incoming::Ping(ping) if is_ping(&body, &ping) => Ok("ping"),
            Incoming::Ping(_) => Err("an event was read as a ping".to_owned()),
            Incoming::Event(event) => {
                self.judge_digest(&event, message.as_ref(), &bytes)?;
                judge_event(&event, &body, input)
            }
        }
    }
}

/// Whether the body is JSON, even if a `Value` cannot hold it because of a large number, half of a surrogate pair, or
/// its depth.
fn is_json(input: &[u8]) -> bool {
    serde_json::from_str::<&RawValue>(&String::from_utf8_lossy(input)).is_ok()
}

fn is_ping(body: &Value, ping: &str) -> bool {
    body.pointer("/meta/type") == Some(&json!("ping")) && body.get("ping") == Some(&json!(ping))
}

/// Depth to which a digest compares values by content. It compares deeper values as written.
const LEVELS_COMPARED: usize = 16;

fn levels(value: &Value) -> usize {
    let of_items = |items: &mut dyn Iterator<Item = &Value>| 1 + items.map(levels).max().unwrap_or(0);
    match value {
        Value::Object(members) => of_items(&mut members.values()),
        Value::Array(items) => of_items(&mut items.iter()),
        _ => 0,
    }
}

/// The body as a replay sends it: without our metadata, and with other white space. `None` if the body is too deep for
/// a comparison by content, or if it changes when written and read again, as some numbers do.
fn replayed(body: &Value) -> Option<Vec<u8>> {
    if levels(body) > LEVELS_COMPARED {
        return None;
    }
    let mut body = body.clone();
    if let Some(meta) = body.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("data");
    }
    let text = serde_json::to_vec_pretty(&body).ok()?;
    let same = serde_json::from_slice::<Value>(&text).is_ok_and(|again| again == body);
    same.then_some(text)
}

fn judge_event(event: &WebhookEvent, body: &Value, input: &[u8]) -> Result<Class, String> {
    let id = body
        .pointer("/meta/messageId")
        .and_then(Value::as_str)
        .and_then(|id| MessageId::parse(id).ok());
    // An event can be unreadable, for example because of a doubled name, of which a tree keeps the second value.
    let by_digest = MessageId::of_digest(&event.digest);
    let unread = event.event_type == "unreadable" && event.message == by_digest;
    if !unread && event.message != id.unwrap_or(by_digest) {
        return Err("the event has the id of another message".to_owned());
    }
    let class = judge_envelope(event)?;
    const NAME: &[u8] = b"ias.identity.verified";
    let is_identity = match body.pointer("/meta/type").and_then(Value::as_str) {
        Some(name) if !unread => name.as_bytes() == NAME,
        _ => input.windows(NAME.len()).any(|window| window == NAME),
    };
    if is_identity != class.starts_with("identity") {
        return Err(format!("is an identity event: {is_identity}, but was read as {class}"));
    }
    Ok(class)
}

/// Checks that the queue does not change the event, and that an event without a handler keeps only its envelope.
fn judge_envelope(event: &WebhookEvent) -> Result<Class, String> {
    let message = serde_json::to_string(event).map_err(|error| format!("the event cannot be queued: {error}"))?;
    if parse::<WebhookEvent>(&message).as_ref() != Ok(event) {
        return Err(format!("the queued event differs: {message}"));
    }
    let class = match &event.event {
        Event::Source { .. } => "source",
        Event::Consolidated { .. } => "consolidated",
        Event::Identity { .. } => "identity",
        Event::IdentityUnclear { .. } => "identity-unclear",
        Event::Other => "other",
    };
    if class == "other" && envelope_says_more(&message) {
        return Err(format!("more than the envelope was stored: {message}"));
    }
    Ok(class)
}

/// Whether the message contains the canary outside the ids, type and marks of the envelope, which the sender may choose
/// freely.
fn envelope_says_more(message: &str) -> bool {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(message) else {
        return true;
    };
    fields.retain(|name, _| !["message", "request", "eventType", "marks"].contains(&name.as_str()));
    canary::is_in(&Value::Object(fields).to_string())
}
