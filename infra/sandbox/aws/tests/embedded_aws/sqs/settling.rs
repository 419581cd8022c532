//! Messages deleted in batches, moved to the dead-letter queue, or refused.

use super::{queue, receive, send, start};
use crate::harness;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageSystemAttributeName,
    SendMessageBatchRequestEntry,
};
use sandbox_aws::{QueueDepths, QueueSpec};

#[tokio::test]
async fn poison_message_ends_in_the_dead_letter_queue() {
    let (aws, client, _) = start().await;
    aws.create_queue(queue("dead")).await.unwrap();
    let url = aws
        .create_queue(QueueSpec {
            redrive: Some(("dead".to_owned(), 1)),
            ..queue("source")
        })
        .await
        .unwrap();
    let dead_url = aws.queue_url("dead").unwrap();
    send(&client, &url, "poison").await;
    let first = receive(&client, &url, 0).await.unwrap();
    let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
        .id("0")
        .receipt_handle(first.receipt_handle().unwrap())
        .visibility_timeout(0);
    let give_up = client.change_message_visibility_batch().queue_url(&url);
    let given_up = give_up.entries(entry.build().unwrap()).send().await.unwrap();
    assert_eq!(given_up.successful().len(), 1);
    assert!(receive(&client, &url, 0).await.is_none());

    let dead = receive(&client, &dead_url, 20).await.unwrap();
    let source = &dead.attributes().unwrap()[&MessageSystemAttributeName::DeadLetterQueueSourceArn];
    assert_eq!(*source, aws.queue_arn("source").unwrap());
    aws.shutdown().await.unwrap();
}

fn sent_entry(id: usize, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(body)
        .build()
        .unwrap()
}

async fn receive_ten(client: &Client, url: &str) -> Vec<String> {
    let sent = client
        .send_message_batch()
        .queue_url(url)
        .set_entries(Some((0..10).map(|id| sent_entry(id, "b")).collect()))
        .send()
        .await;
    assert_eq!(sent.unwrap().successful().len(), 10);
    let received = client
        .receive_message()
        .queue_url(url)
        .max_number_of_messages(10)
        .send()
        .await
        .unwrap();
    assert_eq!(received.messages().len(), 10);
    let messages = received.messages().iter();
    messages
        .map(|message| message.receipt_handle().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn invalid_handle_fails_only_its_batch_entry() {
    let (aws, client, url) = start().await;
    let handles = receive_ten(&client, &url).await.into_iter();
    let handles = handles.take(9).chain(["made up".to_owned()]).enumerate();
    let entry = |(id, handle): (usize, String)| {
        DeleteMessageBatchRequestEntry::builder()
            .id(id.to_string())
            .receipt_handle(handle)
            .build()
            .unwrap()
    };
    let deleted = client
        .delete_message_batch()
        .queue_url(&url)
        .set_entries(Some(handles.map(entry).collect()));
    let deleted = deleted.send().await.unwrap();
    assert_eq!((deleted.successful().len(), deleted.failed().len()), (9, 1));
    assert_eq!(
        (deleted.failed()[0].id(), deleted.failed()[0].code()),
        ("9", "ReceiptHandleIsInvalid")
    );
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
async fn unknown_queue_is_refused_with_its_error_code() {
    let (aws, client, url) = start().await;
    let missing = client
        .purge_queue()
        .queue_url(url.replace("/work", "/none"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    assert!(missing.is_queue_does_not_exist());
    assert_eq!(
        harness::code(Err::<(), _>(missing)),
        "AWS.SimpleQueueService.NonExistentQueue"
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn batch_beyond_ten_entries_or_a_mebibyte_is_refused() {
    let (aws, client, url) = start().await;
    let batch = |entries| {
        client
            .send_message_batch()
            .queue_url(&url)
            .set_entries(Some(entries))
            .send()
    };
    let eleven = batch((0..11).map(|id| sent_entry(id, "b")).collect())
        .await
        .unwrap_err()
        .into_service_error();
    assert!(eleven.is_too_many_entries_in_batch_request());
    let large = "x".repeat(600 * 1024);
    let long = batch(vec![sent_entry(0, &large), sent_entry(1, &large)])
        .await
        .unwrap_err()
        .into_service_error();
    assert!(long.is_batch_request_too_long());
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn message_above_a_mebibyte_is_refused() {
    let (aws, client, url) = start().await;
    let send = |bytes: usize| {
        client
            .send_message()
            .queue_url(&url)
            .message_body("x".repeat(bytes))
            .send()
    };
    assert_eq!(harness::code(send(1024 * 1024 + 1).await), "InvalidParameterValue");
    send(1024 * 1024).await.unwrap();
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn receive_of_more_than_ten_messages_is_refused() {
    let (aws, client, url) = start().await;
    let refused = client
        .receive_message()
        .queue_url(&url)
        .max_number_of_messages(11)
        .send()
        .await;
    assert_eq!(harness::code(refused), "InvalidParameterValue");
    aws.shutdown().await.unwrap();
}
