//! The operations of SQS, from JSON to JSON. They check the limits of a request's parameters; the account checks the
//! rest.

mod batch;
mod queues;
mod receiving;
mod sending;
mod settling;

use super::broker::Broker;
use super::refusal::Refusal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Copy)]
pub(super) struct Sender<'a> {
    /// The access key id with which the sender signed the request.
    pub(super) id: &'a str,
    /// The request's tracing header. The request's messages keep this header as `AWSTraceHeader` (AWS X-Ray developer
    /// guide, "Amazon SQS and AWS X-Ray").
    pub(super) trace_header: Option<&'a str>,
}

pub(super) async fn run(broker: &Broker, operation: &str, body: &[u8], sender: Sender<'_>) -> Result<Value, Refusal> {
    match operation {
        "SendMessage" => answer(sending::send(broker, parse(body)?, sender)),
        "SendMessageBatch" => answer(sending::send_batch(broker, parse(body)?, sender)),
        "ReceiveMessage" => answer(receiving::receive(broker, parse(body)?).await),
        "DeleteMessage" => answer(settling::delete(broker, parse(body)?)),
        "DeleteMessageBatch" => answer(settling::delete_batch(broker, parse(body)?)),
        "ChangeMessageVisibilityBatch" => answer(settling::change_visibility_batch(broker, parse(body)?)),
        "DeleteQueue" => answer(queues::delete(broker, parse(body)?)),
        "ListQueues" => answer(queues::list(broker, parse(body)?)),
        "GetQueueAttributes" => answer(queues::attributes(broker, parse(body)?)),
        "PurgeQueue" => answer(queues::purge(broker, parse(body)?)),
        other => Err(Refusal::NotEmbedded(other.to_owned())),
    }
}

/// The input of operations that take only a queue.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OnQueue {
    queue_url: String,
}

#[derive(Serialize)]
struct Nothing {}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Refusal::MissingParameter(format!(
            "The request is missing a parameter or has one of another type: {error}."
        )),
        _ => Refusal::Serialization,
    })
}

fn answer<T: Serialize>(output: Result<T, Refusal>) -> Result<Value, Refusal> {
    serde_json::to_value(output?).map_err(|error| Refusal::UnsupportedOperation(error.to_string()))
}

/// The queue's name: the last segment of its URL. The rest is ignored, because a client of an earlier process has a URL
/// with another port.
fn queue_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}
