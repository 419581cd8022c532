//! SQS through the SDK: the behaviour that consumers rely on. The state machine has its own tests.

mod receiving;
mod settling;
mod state;

use crate::harness;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, MessageSystemAttributeName};
use sandbox_aws::{Aws, QueueSpec};

pub fn queue(name: &str) -> QueueSpec {
    QueueSpec {
        name: name.to_owned(),
        visibility_timeout_secs: 30,
        delay_secs: 0,
        retention_secs: 3_600,
        redrive: None,
    }
}

async fn start() -> (Aws, Client, String) {
    let aws = harness::start().await;
    let url = aws.create_queue(queue("work")).await.unwrap();
    let client = harness::sqs(&aws);
    (aws, client, url)
}

/// Waits up to `secs` seconds for one message.
pub async fn receive(client: &Client, url: &str, secs: i32) -> Option<Message> {
    let request = client.receive_message().queue_url(url).wait_time_seconds(secs);
    let received = request
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All");
    received.send().await.unwrap().messages.unwrap_or_default().pop()
}

pub async fn send(client: &Client, url: &str, body: &str) {
    client
        .send_message()
        .queue_url(url)
        .message_body(body)
        .send()
        .await
        .unwrap();
}
