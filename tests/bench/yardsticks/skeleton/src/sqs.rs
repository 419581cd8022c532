//! Calls to SQS.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use lambda_runtime::Error;
use serde_json::Value;

use crate::text;

pub async fn send(client: &Client, input: &Value) -> Result<(), Error> {
    let send = client.send_message().queue_url(text(input, "QueueUrl"));
    send.message_body(text(input, "MessageBody")).send().await?;
    Ok(())
}

pub async fn send_batch(client: &Client, input: &Value) -> Result<(), Error> {
    let mut batch = client.send_message_batch().queue_url(text(input, "QueueUrl"));
    for entry in input["Entries"].as_array().into_iter().flatten() {
        let message = SendMessageBatchRequestEntry::builder().id(text(entry, "Id"));
        batch = batch.entries(message.message_body(text(entry, "MessageBody")).build()?);
    }
    batch.send().await?;
    Ok(())
}
