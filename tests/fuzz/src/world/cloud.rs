//! Plays AWS as far as a handler needs it: secrets, queues, a bucket, and a table that stores items until
//! [`Cloud::close`]. Queues and bucket accept everything, except dead letters during [`Cloud::refuse_dead_letters`].
//! Conditions always hold, so every place and slot of the rate budget is free; other tests cover races and limits. The
//! one exception is a `PutItem` that requires that its item is absent: its answer distinguishes a used idempotency key
//! from a new one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use shared::message::dead_letter::ATTRIBUTE;

use super::loopback::{Answer, LoopbackRequest};

/// The id that SQS returns for every message; the functions never read it.
const MESSAGE_ID: &str = "059f36b4-87a3-44ab-83d2-661975830a7d";

/// The state of AWS, and its answers.
#[derive(Default)]
pub struct Cloud {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    items: BTreeMap<(String, String), Value>,
    closed: bool,
    sent: Vec<Message>,
    refuses_dead_letters: bool,
    secrets: BTreeMap<String, String>,
}

/// A sent message.
#[derive(Debug, Clone)]
pub struct Message {
    /// The queue's name.
    pub queue: String,
    /// The body.
    pub body: String,
    /// The attribute of a dead letter.
    pub dead_letter_attribute: Option<String>,
}

impl Message {
    /// Reads a message of a call. `message` is the call itself, or an entry of its batch.
    fn read(call: &Value, message: &Value) -> Self {
        let text = |place: &str| message.pointer(place).and_then(Value::as_str);
        let attribute = format!("/MessageAttributes/{ATTRIBUTE}/StringValue");
        Self {
            queue: call
                .pointer("/QueueUrl")
                .and_then(Value::as_str)
                .and_then(|url| url.rsplit('/').next())
                .unwrap_or_default()
                .to_owned(),
            body: text("/MessageBody").unwrap_or_default().to_owned(),
            dead_letter_attribute: text(&attribute).map(str::to_owned),
        }
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// Fails if the body is not JSON.
    pub fn value(&self) -> serde_json::Result<Value> {
        serde_json::from_str(&self.body)
    }
}

impl Cloud {
    /// Starts with these secrets, by name.
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

    /// Makes the table accept and drop all further writes, so that every input meets the same table.
    pub fn close(&self) {
        self.lock().closed = true;
    }

    /// Takes the messages sent since the last call, in order.
    pub fn take_sent(&self) -> Vec<Message> {
        std::mem::take(&mut self.lock().sent)
    }

    /// Turns the refusal of dead letters on or off.
    pub fn refuse_dead_letters(&self, refuses: bool) {
        self.lock().refuses_dead_letters = refuses;
    }

    /// Answers one call.
    pub fn answer(&self, request: &LoopbackRequest<'_>) -> Answer {
        let body: Value = serde_json::from_slice(request.body).unwrap_or_default();
        let operation = request
            .header("x-amz-target")
            .and_then(|target| target.rsplit('.').next())
            .unwrap_or_default();
        let mut state = self.lock();
        match operation {
            "GetItem" => Answer::json(200, &state.get(&body)),
            "Query" => Answer::json(200, &state.query(&body)),
            "PutItem" if state.is_taken(&body) => {
                Answer::json(400, &json!({ "__type": "ConditionalCheckFailedException" }))
            }
            "TransactWriteItems" | "PutItem" => Answer::json(200, &state.write(&body)),
            "UpdateItem" => Answer::json(200, &json!({})),
            "SendMessage" => state.send(Message::read(&body, &body)),
            "SendMessageBatch" => state.send_batch(&body),
            "GetSecretValue" => Answer::json(200, &state.secret(&body)),
            // A list of a bucket: no day is sealed, and nothing is left to be erased.
            _ if request.method() == "GET" && request.path().contains("list-type=2") => Answer::text(
                200,
                "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>",
            ),
            _ if request.method() == "GET" && request.path().contains("uploads") => Answer::text(
                200,
                "<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>",
            ),
            // The upload of an object to the bucket.
            _ if request.method() == "PUT" => Answer::json(200, &json!({})),
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

    /// Whether the put requires that its item is absent, although the item exists.
    fn is_taken(&self, call: &Value) -> bool {
        let is_new = call.get("ConditionExpression").and_then(Value::as_str) == Some("attribute_not_exists(pk)");
        let key = call.get("Item").and_then(key);
        is_new && key.is_some_and(|key| self.items.contains_key(&key))
    }

    fn send_batch(&mut self, call: &Value) -> Answer {
        let entries = call.get("Entries").and_then(Value::as_array);
        let entries: Vec<_> = entries.into_iter().flatten().collect();
        self.sent.extend(entries.iter().map(|entry| Message::read(call, entry)));
        let sent = entries.iter().map(|entry| {
            json!({
                "Id": entry.get("Id"),
                "MessageId": MESSAGE_ID,
                "MD5OfMessageBody": "",
            })
        });
        Answer::json(200, &json!({ "Successful": sent.collect::<Vec<_>>(), "Failed": [] }))
    }

    fn send(&mut self, message: Message) -> Answer {
        if self.refuses_dead_letters && message.dead_letter_attribute.is_some() {
            return Answer::json(400, &json!({ "__type": "com.amazonaws.sqs#QueueDoesNotExist" }));
        }
        self.sent.push(message);
        Answer::json(200, &json!({ "MessageId": MESSAGE_ID }))
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
