//! Messages arrive, and receivers wait only as long as necessary.

use super::{receive, send, start};
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeName, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
};
use sandbox_aws::QueueDepths;
use std::time::{Duration, Instant};

#[tokio::test]
async fn message_arrives_with_its_digests_and_attributes() {
    let (aws, client, url) = start().await;
    let attribute = MessageAttributeValue::builder()
        .data_type("Number")
        .string_value("1493147359900")
        .build()
        .unwrap();
    let trace = MessageSystemAttributeValue::builder()
        .data_type("String")
        .string_value("Root=1-5759e988-bd862e3f");
    let sent = client.send_message().queue_url(&url).message_body("message digest");
    let sent = sent.message_attributes("timestamp", attribute);
    let sent = sent.message_system_attributes(
        MessageSystemAttributeNameForSends::AwsTraceHeader,
        trace.build().unwrap(),
    );
    let sent = sent.send().await.unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("f96b697d7cb7938d525a2f31aaf161d0"));
    assert_eq!(
        sent.md5_of_message_attributes(),
        Some("235c5c510d26fb653d073faed50ae77c")
    );

    let message = receive(&client, &url, 0).await.unwrap();
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.body(), Some("message digest"));
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());
    let system = message.attributes().unwrap();
    assert_eq!(system[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
    assert_eq!(system[&MessageSystemAttributeName::SenderId], "test-caller");
    assert_eq!(
        system[&MessageSystemAttributeName::AwsTraceHeader],
        "Root=1-5759e988-bd862e3f"
    );
    assert!(system.contains_key(&MessageSystemAttributeName::SentTimestamp));
    assert!(system.contains_key(&MessageSystemAttributeName::ApproximateFirstReceiveTimestamp));
    aws.shutdown().await.unwrap();
}

/// In a function that Lambda runs, the SDK sends this header with each request.
#[tokio::test]
async fn message_keeps_the_tracing_header_of_its_request() {
    let (aws, client, url) = start().await;
    let sent = client.send_message().queue_url(&url).message_body("traced").customize();
    let sent = sent.mutate_request(|request| {
        request
            .headers_mut()
            .insert("x-amzn-trace-id", "Root=1-5759e988-bd862e3f;Lineage=f:1");
    });
    let sent = sent.send().await.unwrap();
    assert_eq!(sent.md5_of_message_system_attributes(), None);
    let message = receive(&client, &url, 0).await.unwrap();
    assert_eq!(
        message.attributes().unwrap()[&MessageSystemAttributeName::AwsTraceHeader],
        "Root=1-5759e988-bd862e3f;Lineage=f:1"
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn send_wakes_a_waiting_receiver() {
    let (aws, client, url) = start().await;
    let begun = Instant::now();
    let (received, ()) = tokio::join!(receive(&client, &url, 20), send(&client, &url, "wake up"));
    assert_eq!(received.unwrap().body(), Some("wake up"));
    assert!(begun.elapsed() < Duration::from_secs(10), "the receiver slept through");
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn waiting_receiver_gets_a_message_after_its_delay() {
    let (aws, client, url) = start().await;
    let begun = Instant::now();
    client
        .send_message()
        .queue_url(&url)
        .message_body("later")
        .delay_seconds(1)
        .send()
        .await
        .unwrap();
    assert_eq!(
        aws.queues().depths()["work"],
        QueueDepths {
            visible: 0,
            in_flight: 0,
            delayed: 1
        }
    );
    assert_eq!(receive(&client, &url, 20).await.unwrap().body(), Some("later"));
    let waited = begun.elapsed();
    assert!(
        (Duration::from_millis(990)..Duration::from_secs(10)).contains(&waited),
        "waited {waited:?}"
    );
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn receiver_of_an_empty_queue_waits_its_full_time() {
    let (aws, client, url) = start().await;
    let begun = Instant::now();
    assert!(receive(&client, &url, 1).await.is_none());
    assert!(begun.elapsed() >= Duration::from_millis(990));
    aws.shutdown().await.unwrap();
}

#[tokio::test]
async fn shutdown_ends_waiting_receives() {
    let (aws, client, url) = start().await;
    let waiting = tokio::spawn(async move {
        client
            .receive_message()
            .queue_url(url)
            .wait_time_seconds(20)
            .send()
            .await
    });
    let begun = Instant::now();
    aws.shutdown().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    // An empty answer and a closed connection both end the receive.
    let ended = waiting.await.unwrap();
    assert!(ended.map_or(true, |output| output.messages().is_empty()));
}
