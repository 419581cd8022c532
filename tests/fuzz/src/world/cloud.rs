//! AWS as far as a handler needs it to go on: a table that keeps what is put into it until it is closed, queues and a
//! bucket that take everything, and secrets. Conditions always hold, so every place and slot of the rate budget is
//! free: races and limits are the subject of other tests.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use shared::queue::dead_letter::ATTRIBUTE;

use super::loopback::{Answer, Asked};

/// The embedded AWS.
#[derive(Default)]
pub struct Cloud {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<(String, String), Value>,
    closed: bool,
    sent: Vec<Message>,
    refuses_letters: bool,
    secrets: BTreeMap<String, String>,
}

/// A message as it was sent.
#[derive(Debug, Clone)]
pub struct Message {
    /// The queue's name.
    pub queue: String,
    /// The body.
    pub body: String,
    /// The attribute of a dead letter.
    pub letter: Option<String>,
}

impl Message {
    fn read(call: &Value) -> Self {
        let text = |place: &str| call.pointer(place).and_then(Value::as_str);
        let letter = format!("/MessageAttributes/{ATTRIBUTE}/StringValue");
        Self {
            queue: text("/QueueUrl")
                .and_then(|url| url.rsplit('/').next())
                .unwrap_or_default()
                .to_owned(),
            body: text("/MessageBody").unwrap_or_default().to_owned(),
            letter: text(&letter).map(str::to_owned),
        }
    }

    /// What the body says.
    ///
    /// # Errors
    /// When it is no JSON.
    pub fn value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.body)
    }
}

impl Cloud {
    /// With these secrets, by name.
    #[must_use]
    pub fn with_secrets<const N: usize>(secrets: [(&str, String); N]) -> Self {
        let secrets = secrets
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        Self {
            state: Mutex::new(State {
                secrets,
                ..State::default()
            }),
        }
    }

    /// From now on writes are accepted and forgotten: every input meets the same table.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Takes what was sent since, in that order.
    pub fn take_sent(&self) -> Vec<Message> {
        std::mem::take(&mut self.lock().sent)
    }

    /// Whether dead letters are refused from now on.
    pub fn refuse_letters(&self, refuses: bool) {
        self.lock().refuses_letters = refuses;
    }

    /// Answers one call.
    pub fn answer(&self, asked: &Asked<'_>) -> Answer {
        let body: Value = serde_json::from_slice(asked.body).unwrap_or_default();
        let operation = asked
            .header("x-amz-target")
            .and_then(|target| target.rsplit('.').next())
            .unwrap_or_default();
        let mut state = self.lock();
        match operation {
            "GetItem" => Answer::json(200, &state.get(&body)),
            "Query" => Answer::json(200, &state.query(&body)),
            "TransactWriteItems" | "PutItem" => Answer::json(200, &state.write(&body)),
            "UpdateItem" => Answer::json(200, &json!({})),
            "SendMessage" => state.send(Message::read(&body)),
            "GetSecretValue" => Answer::json(200, &state.secret(&body)),
            // An object for the bucket.
            _ if asked.method() == "PUT" => Answer::json(200, &json!({})),
            _ => Answer::json(400, &json!({ "__type": "UnknownOperationException" })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn get(&self, call: &Value) -> Value {
        match call.get("Key").and_then(key).and_then(|key| self.items.get(&key)) {
            Some(item) => json!({ "Item": item }),
            None => json!({}),
        }
    }

    fn query(&self, call: &Value) -> Value {
        let value = |name: &str| {
            call.pointer(&format!("/ExpressionAttributeValues/{name}/S"))
                .and_then(Value::as_str)
        };
        let (partition, prefix) = (value(":pk").unwrap_or_default(), value(":prefix").unwrap_or_default());
        let found = self
            .items
            .iter()
            .filter(|((pk, sk), _)| pk == partition && sk.starts_with(prefix));
        let items: Vec<_> = found.map(|(_, item)| item).collect();
        json!({ "Count": items.len(), "ScannedCount": items.len(), "Items": items })
    }

    fn write(&mut self, call: &Value) -> Value {
        if !self.closed {
            let writes = call.get("TransactItems").and_then(Value::as_array);
            let puts = writes
                .into_iter()
                .flatten()
                .filter_map(|write| write.pointer("/Put/Item"));
            for item in puts.chain(call.get("Item")) {
                if let Some(key) = key(item) {
                    self.items.insert(key, item.clone());
                }
            }
        }
        json!({})
    }

    fn send(&mut self, message: Message) -> Answer {
        if self.refuses_letters && message.letter.is_some() {
            return Answer::json(400, &json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist" }));
        }
        self.sent.push(message);
        Answer::json(200, &json!({ "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d" }))
    }

    fn secret(&self, call: &Value) -> Value {
        let name = call.get("SecretId").and_then(Value::as_str).unwrap_or_default();
        json!({ "Name": name, "ARN": name, "SecretString": self.secrets.get(name) })
    }
}

fn key(item: &Value) -> Option<(String, String)> {
    let part = |name: &str| {
        item.pointer(&format!("/{name}/S"))
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    Some((part("pk")?, part("sk")?))
}
