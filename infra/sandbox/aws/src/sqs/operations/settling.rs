//! Settles received messages: `DeleteMessage`, `DeleteMessageBatch` and `ChangeMessageVisibilityBatch`.

use super::batch::{self, Entry, Outcome, Success};
use super::{Nothing, queue_name};
use crate::ambient;
use crate::sqs::broker::Broker;
use crate::sqs::receipt::Receipt;
use crate::sqs::refusal::Refusal;
use crate::sqs::settings::VISIBILITY_SECS_MAX;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteInput {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchInput<E> {
    queue_url: String,
    entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeEntry {
    id: String,
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

impl Entry for DeleteEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

impl Entry for ChangeEntry {
    fn id(&self) -> &str {
        &self.id
    }
}

pub(super) fn delete(broker: &Broker, input: DeleteInput) -> Result<Nothing, Refusal> {
    delete_one(broker, queue_name(&input.queue_url), &input.receipt_handle)?;
    Ok(Nothing {})
}

pub(super) fn delete_batch(broker: &Broker, input: BatchInput<DeleteEntry>) -> Result<Outcome<Success>, Refusal> {
    let queue = checked_queue(broker, &input)?;
    Ok(batch::each(input.entries, |entry| {
        delete_one(broker, &queue, &entry.receipt_handle)?;
        Ok(Success { id: entry.id })
    }))
}

pub(super) fn change_visibility_batch(
    broker: &Broker,
    input: BatchInput<ChangeEntry>,
) -> Result<Outcome<Success>, Refusal> {
    let queue = checked_queue(broker, &input)?;
    Ok(batch::each(input.entries, |entry| {
        let secs = entry.visibility_timeout.ok_or_else(|| {
            Refusal::MissingParameter("The request must contain the parameter VisibilityTimeout.".to_owned())
        })?;
        change_one(broker, &queue, &entry.receipt_handle, secs)?;
        Ok(Success { id: entry.id })
    }))
}

fn checked_queue<E: Entry>(broker: &Broker, input: &BatchInput<E>) -> Result<String, Refusal> {
    batch::check(&input.entries)?;
    let queue = queue_name(&input.queue_url);
    broker.read(|account| account.queue(queue).map(|_| ()))?;
    Ok(queue.to_owned())
}

fn delete_one(broker: &Broker, queue: &str, handle: &str) -> Result<(), Refusal> {
    broker.change(|account| {
        let stored = account.queue_mut(queue)?;
        let receipt = Receipt::parse(handle, queue)?;
        if !stored.delete(receipt) {
            tracing::debug!(queue, "no message was deleted: the receipt handle is not the latest");
        }
        Ok(())
    })
}

fn change_one(broker: &Broker, queue: &str, handle: &str, secs: i64) -> Result<(), Refusal> {
    let parsed = u32::try_from(secs).ok().filter(|secs| *secs <= VISIBILITY_SECS_MAX);
    let secs = parsed.ok_or_else(|| Refusal::out_of_bounds(secs, "VisibilityTimeout", "between 0 and 43200"))?;
    broker.change(|account| {
        let stored = account.queue_mut(queue)?;
        let receipt = Receipt::parse(handle, queue)?;
        stored.change_visibility(receipt, secs, ambient::now_ms())
    })
}
