//! `ReceiveMessage`, with long polling.

use super::queue_name;
use crate::sqs::account::ReceiveRequest;
use crate::sqs::broker::Broker;
use crate::sqs::digest;
use crate::sqs::message::{Attribute, Attributes, Message, Value};
use crate::sqs::queue::Delivery;
use crate::sqs::refusal::Refusal;
use crate::sqs::settings::{VISIBILITY_SECS_MAX, WAIT_SECS_MAX};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveInput {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    /// The old name of `message_system_attribute_names`. An SDK may send either name.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveOutput {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<ReceivedMessage>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ReceivedMessage {
    message_id: String,
    receipt_handle: String,
    #[serde(rename = "MD5OfBody")]
    md5_of_body: String,
    body: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<&'static str, String>,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    message_attributes: BTreeMap<String, AttributeOutput>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeOutput {
    data_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
}

/// Only messages of FIFO queues have the last three, so messages here never have them.
const SYSTEM_ATTRIBUTES: [&str; 9] = [
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
    "MessageDeduplicationId",
    "MessageGroupId",
    "SequenceNumber",
];

pub(super) async fn receive(broker: &Broker, input: ReceiveInput) -> Result<ReceiveOutput, Refusal> {
    let queue = queue_name(&input.queue_url);
    let count_max = within(input.max_number_of_messages, "MaxNumberOfMessages", 1, 10)?.unwrap_or(1);
    let visibility_secs = within(input.visibility_timeout, "VisibilityTimeout", 0, VISIBILITY_SECS_MAX)?;
    let wait_secs = within(input.wait_time_seconds, "WaitTimeSeconds", 0, WAIT_SECS_MAX)?;
    check_names(
        input
            .attribute_names
            .iter()
            .chain(&input.message_system_attribute_names),
    )?;
    let wait = Duration::from_secs(u64::from(wait_secs.unwrap_or(0)));
    let request = ReceiveRequest {
        count_max: usize::try_from(count_max).unwrap_or(1),
        visibility_secs,
    };
    let deliveries = broker.receive(queue, request, wait).await?;
    let messages = deliveries
        .into_iter()
        .map(|delivery| input.present(delivery, queue))
        .collect();
    Ok(ReceiveOutput { messages })
}

fn within(value: Option<i64>, parameter: &str, min: u32, max: u32) -> Result<Option<u32>, Refusal> {
    let Some(value) = value else { return Ok(None) };
    let parsed = u32::try_from(value).ok().filter(|value| (min..=max).contains(value));
    let refusal = || Refusal::out_of_bounds(value, parameter, &format!("between {min} and {max}"));
    parsed.map(Some).ok_or_else(refusal)
}

fn check_names<'a>(mut names: impl Iterator<Item = &'a String>) -> Result<(), Refusal> {
    match names.find(|name| *name != "All" && !SYSTEM_ATTRIBUTES.contains(&name.as_str())) {
        Some(unknown) => Err(Refusal::InvalidAttributeName(unknown.clone())),
        None => Ok(()),
    }
}

impl ReceiveInput {
    fn present(&self, delivery: Delivery, queue: &str) -> ReceivedMessage {
        let Delivery { message, receipt } = delivery;
        let attributes = self.requested_attributes(&message);
        ReceivedMessage {
            message_id: message.id.to_string(),
            receipt_handle: receipt.to_handle(queue),
            md5_of_body: digest::of_body(&message.body),
            attributes: self.requested_system_attributes(&message),
            md5_of_message_attributes: digest::of_attributes(&attributes),
            message_attributes: attributes
                .into_iter()
                .map(|(name, value)| (name, present_attribute(value)))
                .collect(),
            body: message.body,
        }
    }

    fn requested_system_attributes(&self, message: &Message) -> BTreeMap<&'static str, String> {
        let is_requested = |name: &str| {
            let mut names = self.attribute_names.iter().chain(&self.message_system_attribute_names);
            names.any(|requested| requested == "All" || requested == name)
        };
        system_attributes(message)
            .into_iter()
            .filter(|(name, _)| is_requested(name))
            .collect()
    }

    /// `All` and `.*` select every attribute, `prefix.*` every name with that prefix.
    fn requested_attributes(&self, message: &Message) -> Attributes {
        let is_requested = |name: &str| {
            self.message_attribute_names
                .iter()
                .any(|pattern| match pattern.strip_suffix(".*") {
                    Some(prefix) => name.starts_with(prefix),
                    None => pattern == "All" || pattern == name,
                })
        };
        let attributes = message.attributes.iter().filter(|(name, _)| is_requested(name));
        attributes
            .map(|(name, attribute)| (name.clone(), attribute.clone()))
            .collect()
    }
}

fn system_attributes(message: &Message) -> BTreeMap<&'static str, String> {
    let mut attributes = BTreeMap::from([
        ("SenderId", message.sender_id.clone()),
        ("SentTimestamp", message.sent_at_ms.to_string()),
        ("ApproximateReceiveCount", message.receive_count.to_string()),
    ]);
    let first_received = message.first_received_at_ms.map(|at_ms| at_ms.to_string());
    let trace_header = message
        .trace_header
        .as_ref()
        .map(|header| String::from_utf8_lossy(header.value.bytes()).into());
    let optional = [
        ("ApproximateFirstReceiveTimestamp", first_received),
        ("AWSTraceHeader", trace_header),
        ("DeadLetterQueueSourceArn", message.dead_letter_source_arn.clone()),
    ];
    attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value?))));
    attributes
}

fn present_attribute(attribute: Attribute) -> AttributeOutput {
    let (string_value, binary_value) = match attribute.value {
        Value::Text(text) => (Some(text), None),
        Value::Binary(bytes) => (None, Some(STANDARD.encode(bytes))),
    };
    AttributeOutput {
        data_type: attribute.data_type,
        string_value,
        binary_value,
    }
}
