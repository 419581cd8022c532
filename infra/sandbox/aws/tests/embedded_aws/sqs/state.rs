//! Queues described, read without receiving, and kept across restarts.

use super::{queue, receive, send, start};
use crate::harness;
use aws_sdk_sqs::types::QueueAttributeName;
use sandbox_aws::QueueDepths;
use std::time::Duration;

#[tokio::test]
async fn queue_attributes_contain_depths_and_settings() {
    let (aws, client, url) = start().await;
    send(&client, &url, "a").await;
    let attributes = client
        .get_queue_attributes()
        .queue_url(&url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await;
    let attributes = attributes.unwrap().attributes.unwrap();
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessages], "1");
    assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "30");
    assert_eq!(
        attributes[&QueueAttributeName::QueueArn],
        "arn:aws:sqs:eu-central-1:000000000000:work"
    );
    client.purge_queue().queue_url(&url).send().await.unwrap();
    assert_eq!(aws.queues().depths()["work"], QueueDepths::default());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn handle_shows_messages_without_receiving_them() {
    let (aws, client, url) = start().await;
    let arrived = aws.queues().wait_until(|depths| depths["work"].visible == 2);
    let arrived = tokio::time::timeout(Duration::from_secs(10), arrived);
    let sending = async {
        send(&client, &url, "a").await;
        send(&client, &url, "b").await;
    };
    let (arrived, ()) = tokio::join!(arrived, sending);
    arrived.unwrap();
    let messages = aws.queues().messages("work").unwrap();
    assert_eq!(
        messages.iter().map(|message| message.body.as_str()).collect::<Vec<_>>(),
        ["a", "b"]
    );
    assert!(messages.iter().all(|message| message.receive_count == 0));
    assert!(!format!("{messages:?}").contains("body"));
    assert_eq!(aws.queues().messages("none"), None);
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn messages_and_receipts_survive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    let url = aws.create_queue(queue("work")).await.unwrap();
    let client = harness::sqs(&aws);
    send(&client, &url, "a").await;
    send(&client, &url, "b").await;
    let held = receive(&client, &url, 0).await.unwrap();
    aws.shutdown().await.unwrap();

    let aws = harness::start_in(folder.path()).await;
    // The URL has the first instance's port; the SDK sends to its configured endpoint.
    aws.create_queue(queue("work")).await.unwrap();
    let client = harness::sqs(&aws);
    assert_eq!(
        aws.queues().depths()["work"],
        QueueDepths {
            visible: 1,
            in_flight: 1,
            delayed: 0
        }
    );
    let delete = client
        .delete_message()
        .queue_url(&url)
        .receipt_handle(held.receipt_handle().unwrap());
    delete.send().await.unwrap();
    assert_eq!(receive(&client, &url, 0).await.unwrap().body(), Some("b"));
    assert_eq!(
        aws.queues().depths()["work"],
        QueueDepths {
            visible: 0,
            in_flight: 1,
            delayed: 0
        }
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn saved_messages_survive_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let aws = harness::start_in(folder.path()).await;
    let url = aws.create_queue(queue("work")).await.unwrap();
    send(&harness::sqs(&aws), &url, "precious").await;
    let saved =
        || std::fs::read_to_string(folder.path().join("queues.json")).is_ok_and(|text| text.contains("precious"));
    let written = async {
        let mut look = tokio::time::interval(Duration::from_millis(20));
        while !saved() {
            look.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), written).await.unwrap();
    drop(aws);

    let aws = harness::start_in(folder.path()).await;
    assert_eq!(aws.queues().messages("work").unwrap()[0].body, "precious");
    aws.shutdown().await.unwrap();
}
