//! Operations on queues: list, describe, purge and delete.

use super::{Nothing, OnQueue, queue_name};
use crate::ambient;
use crate::sqs::account::Account;
use crate::sqs::broker::Broker;
use crate::sqs::queue::Queue;
use crate::sqs::refusal::Refusal;
use crate::sqs::settings;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const LISTED_MAX: usize = 1_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListInput {
    queue_name_prefix: Option<String>,
    max_results: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    queue_urls: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributesInput {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct AttributesOutput {
    attributes: BTreeMap<String, String>,
}

pub(super) fn delete(broker: &Broker, input: OnQueue) -> Result<Nothing, Refusal> {
    let removed = |account: &mut Account| account.queues.remove(queue_name(&input.queue_url));
    broker.change(|account| removed(account).ok_or(Refusal::QueueDoesNotExist))?;
    Ok(Nothing {})
}

pub(super) fn list(broker: &Broker, input: ListInput) -> Result<Listed, Refusal> {
    let prefix = input.queue_name_prefix.unwrap_or_default();
    let count_max = input.max_results.unwrap_or(LISTED_MAX);
    let names = broker.read(|account| account.queues.keys().cloned().collect::<Vec<_>>());
    let listed = names.iter().filter(|name| name.starts_with(&prefix)).take(count_max);
    Ok(Listed {
        queue_urls: listed.map(|name| broker.queue_url(name)).collect(),
    })
}

pub(super) fn attributes(broker: &Broker, input: AttributesInput) -> Result<AttributesOutput, Refusal> {
    let name = queue_name(&input.queue_url);
    let all = broker.read(|account| Ok(describe(account.queue(name)?, account.arn(name), ambient::now_ms())))?;
    if input.attribute_names.iter().any(|attribute| attribute == "All") {
        return Ok(AttributesOutput { attributes: all });
    }
    let unknown = |attribute: &&String| !all.contains_key(*attribute) && !settings::is_known(attribute);
    if let Some(name) = input.attribute_names.iter().find(unknown) {
        return Err(Refusal::InvalidAttributeName(name.clone()));
    }
    let attributes = all
        .into_iter()
        .filter(|(name, _)| input.attribute_names.contains(name))
        .collect();
    Ok(AttributesOutput { attributes })
}

pub(super) fn purge(broker: &Broker, input: OnQueue) -> Result<Nothing, Refusal> {
    let name = queue_name(&input.queue_url);
    broker.change(|account| account.queue_mut(name)?.purge(name, ambient::now_ms()))?;
    Ok(Nothing {})
}

fn describe(queue: &Queue, arn: String, now_ms: u64) -> BTreeMap<String, String> {
    let depths = queue.depths(now_ms);
    let computed = [
        ("QueueArn", arn),
        ("CreatedTimestamp", (queue.created_at_ms / 1_000).to_string()),
        ("LastModifiedTimestamp", (queue.modified_at_ms / 1_000).to_string()),
        ("ApproximateNumberOfMessages", depths.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", depths.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", depths.delayed.to_string()),
    ];
    let mut attributes = queue.settings.to_wire();
    attributes.extend(computed.map(|(name, value)| (name.to_owned(), value)));
    attributes
}
