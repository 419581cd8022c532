//! `SendMessage` and `SendMessageBatch`.

use super::batch::{self, Entry, Outcome};
use super::{Sender, queue_name};
use crate::ambient;
use crate::sqs::broker::Broker;
use crate::sqs::digest;
use crate::sqs::message::{self, Attribute, Attributes, Message, Value};
use crate::sqs::refusal::Refusal;
use crate::sqs::settings::DELAY_SECS_MAX;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendInput {
    queue_url: String,
    #[serde(flatten)]
    message: MessageInput,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendBatchInput {
    queue_url: String,
    entries: Vec<BatchEntry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BatchEntry {
    id: String,
    #[serde(flatten)]
    message: MessageInput,
}

impl Entry for BatchEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MessageInput {
    message_body: String,
    delay_seconds: Option<i64>,
    message_attributes: Option<BTreeMap<String, AttributeInput>>,
    message_system_attributes: Option<BTreeMap<String, AttributeInput>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeInput {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Sent {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    md5_of_message_body: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_system_attributes: Option<String>,
}

pub(super) fn send(broker: &Broker, input: SendInput, sender: Sender<'_>) -> Result<Sent, Refusal> {
    let draft = Draft::parse(input.message)?;
    send_one(broker, queue_name(&input.queue_url), draft, sender, None)
}

pub(super) fn send_batch(broker: &Broker, input: SendBatchInput, sender: Sender<'_>) -> Result<Outcome<Sent>, Refusal> {
    batch::check(&input.entries)?;
    let queue = queue_name(&input.queue_url);
    broker.read(|account| account.queue(queue).map(|_| ()))?;
    let bytes = input.entries.iter().map(|entry| entry.message.size_bytes()).sum();
    if bytes > message::BYTES_MAX {
        return Err(Refusal::BatchRequestTooLong(bytes));
    }
    Ok(batch::each(input.entries, |entry| {
        let draft = Draft::parse(entry.message)?;
        send_one(broker, queue, draft, sender, Some(entry.id))
    }))
}

/// A message as its sender wrote it.
struct Draft {
    body: String,
    delay_secs: Option<u32>,
    attributes: Attributes,
    trace_header: Option<Attribute>,
}

impl Draft {
    fn parse(input: MessageInput) -> Result<Draft, Refusal> {
        Ok(Draft {
            delay_secs: input.delay_seconds.map(parse_delay).transpose()?,
            attributes: parse_attributes(input.message_attributes)?,
            trace_header: parse_trace_header(input.message_system_attributes)?,
            body: input.message_body,
        })
    }

    fn into_message(self, sender: Sender<'_>, now_ms: u64) -> Message {
        let of_request = || {
            sender.trace_header.map(|header| Attribute {
                data_type: "String".to_owned(),
                value: Value::Text(header.to_owned()),
            })
        };
        Message {
            id: ambient::new_id(),
            body: self.body,
            attributes: self.attributes,
            trace_header: self.trace_header.or_else(of_request),
            sender_id: sender.id.to_owned(),
            sent_at_ms: now_ms,
            receive_count: 0,
            first_received_at_ms: None,
            dead_letter_source_arn: None,
        }
    }
}

fn send_one(
    broker: &Broker,
    queue: &str,
    draft: Draft,
    sender: Sender<'_>,
    id: Option<String>,
) -> Result<Sent, Refusal> {
    broker.read(|account| account.queue(queue).map(|_| ()))?;
    message::check(&draft.body, &draft.attributes)?;
    let (now_ms, delay_secs) = (ambient::now_ms(), draft.delay_secs);
    let attribute = draft.trace_header.clone();
    let message = draft.into_message(sender, now_ms);
    let sent = sent(id, &message, attribute);
    let passage = broker.passage(queue, &message, delay_secs);
    let taken_in_ms = now_ms.saturating_add(passage.late_ms);
    broker.change(|account| {
        let queue = account.queue_mut(queue)?;
        queue.send(message.clone(), delay_secs, taken_in_ms);
        if let Some(again_ms) = passage.again_after_ms {
            queue.send(message, delay_secs, taken_in_ms.saturating_add(again_ms));
        }
        Ok(sent)
    })
}

/// The reply. It has a digest of the tracing header only if the sender set this header as a system attribute.
fn sent(id: Option<String>, message: &Message, trace_header: Option<Attribute>) -> Sent {
    let system = trace_header.map(|header| Attributes::from([(TRACE_HEADER.to_owned(), header)]));
    Sent {
        id,
        message_id: message.id.to_string(),
        md5_of_message_body: digest::of_body(&message.body),
        md5_of_message_attributes: digest::of_attributes(&message.attributes),
        md5_of_message_system_attributes: system.as_ref().and_then(digest::of_attributes),
    }
}

const TRACE_HEADER: &str = "AWSTraceHeader";

fn parse_delay(secs: i64) -> Result<u32, Refusal> {
    let parsed = u32::try_from(secs).ok().filter(|secs| *secs <= DELAY_SECS_MAX);
    parsed.ok_or_else(|| Refusal::out_of_bounds(secs, "DelaySeconds", "between 0 and 900"))
}

fn parse_attributes(input: Option<BTreeMap<String, AttributeInput>>) -> Result<Attributes, Refusal> {
    let input = input.unwrap_or_default();
    input
        .into_iter()
        .map(|(name, attribute)| Ok((name, attribute.parse()?)))
        .collect()
}

fn parse_trace_header(input: Option<BTreeMap<String, AttributeInput>>) -> Result<Option<Attribute>, Refusal> {
    let mut attributes = parse_attributes(input)?;
    let header = attributes.remove(TRACE_HEADER);
    match attributes.into_keys().next() {
        Some(unknown) => Err(Refusal::InvalidParameterValue(format!(
            "Message system attribute name '{unknown}' is invalid."
        ))),
        None => Ok(header),
    }
}

impl AttributeInput {
    fn parse(self) -> Result<Attribute, Refusal> {
        let value = match (self.string_value, self.binary_value) {
            (Some(text), None) => Value::Text(text),
            (None, Some(base64)) => Value::Binary(STANDARD.decode(base64).map_err(|error| {
                Refusal::InvalidParameterValue(format!("A binary message attribute is not base64: {error}."))
            })?),
            _ => {
                let reason = "A message attribute must contain a value of exactly one type.";
                return Err(Refusal::InvalidParameterValue(reason.to_owned()));
            }
        };
        Ok(Attribute {
            data_type: self.data_type,
            value,
        })
    }

    /// Counts four base64 characters as three bytes. This is exact enough for the limit of a batch.
    fn size_bytes(&self) -> usize {
        let text = self.string_value.as_ref().map_or(0, String::len);
        let binary = self
            .binary_value
            .as_ref()
            .map_or(0, |base64| base64.trim_end_matches('=').len() * 3 / 4);
        self.data_type.len() + text + binary
    }
}

impl MessageInput {
    fn size_bytes(&self) -> usize {
        let attributes = self.message_attributes.iter().flatten();
        self.message_body.len()
            + attributes
                .map(|(name, attribute)| name.len() + attribute.size_bytes())
                .sum::<usize>()
    }
}
