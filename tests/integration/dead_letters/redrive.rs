//! `ias dead-letters`, as an operator uses it.

use std::process::{Output, Stdio};

use aws_sdk_sqs::types::MessageAttributeValue;
use ias::dead_letters::{Redriven, Which};
use sandbox_aws::QueueSpec;
use sandbox_metriport::{HeldDelivery, Operation};
use serde_json::json;
use shared::queue::SourceQueue;
use tokio::process::Command;

use super::{CANARY, bodies, queues, read_dead_letters, reasons, redrive_queues, unconfirmed, until_dead};
use crate::harness::{BOUND, Person, TestApp, until};

/// Runs the command with the variables that `ias up` prints. Returns its output, and the words of the output.
async fn dead_letters(app: &TestApp, args: &[&str]) -> (Output, String) {
    let running = Command::new(env!("CARGO_BIN_EXE_ias"))
        .arg("dead-letters")
        .args(args)
        .envs(app.sandbox().aws().env())
        .env("AWS_ACCESS_KEY_ID", "OPERATOR")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(BOUND, running).await.expect("it ends");
    let output = ended.expect("it runs");
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!text.contains(CANARY), "{text}");
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (output, words)
}

fn spec(source: SourceQueue, visibility_timeout_secs: u32, receives_max: u32) -> QueueSpec {
    let (name, dead_letters) = queues(source);
    QueueSpec {
        name: name.to_owned(),
        visibility_timeout_secs,
        delay_secs: 0,
        retention_secs: 345_600,
        redrive: Some((dead_letters.to_owned(), receives_max)),
    }
}

/// A webhook has a record's link, but the queue of `record-fetch` is missing. The fault can pass, so SQS redelivers the
/// webhook's message until it becomes a dead letter. The operator sends it back after the queue exists again, and it
/// has its effect.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exhausted_message_has_its_effect_after_redrive() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["lab"]).await;
    let held = hold_record_webhook(&app, &nora, &id).await;
    delete_record_queue(&app).await;
    set_queue(&app, spec(SourceQueue::WebhookEvents, 1, 2)).await;
    assert_eq!(app.stand_in().release(&[held.index]).await, [Ok(200)]);
    until_dead(&app, 1).await;
    assert_eq!(reasons(&app, SourceQueue::WebhookEvents).await, ["exhausted"]);
    list_dead_letters(&app).await;

    set_queue(&app, spec(SourceQueue::RecordFetch, 5400, 5)).await;
    set_queue(&app, spec(SourceQueue::WebhookEvents, 120, 5)).await;
    redrive_nothing(&app).await;
    redrive_exhausted(&app).await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    app.end().await;
}

/// Delivers the report of the pull's only source, and waits until the consolidated query runs. Returns that query's
/// webhook, which is held.
async fn hold_record_webhook(app: &TestApp, nora: &Person, pull: &str) -> HeldDelivery {
    app.deliver(&app.until_held("network-query.", 1).await[0]).await;
    let held = app.until_held("medical.consolidated-data", 1).await.remove(0);
    let record = nora.until_final_record(pull).await;
    until("the query runs", async || {
        (nora.record(&record).await.text("/status") == "processing").then_some(())
    })
    .await;
    held
}

async fn delete_record_queue(app: &TestApp) {
    let url = app.sandbox().aws().queue_url(queues(SourceQueue::RecordFetch).0);
    let deleted = app.aws().sqs().delete_queue().queue_url(url.expect("a queue"));
    deleted.send().await.expect("it is deleted");
}

async fn set_queue(app: &TestApp, spec: QueueSpec) {
    app.sandbox().aws().create_queue(spec).await.expect("settings");
}

async fn list_dead_letters(app: &TestApp) {
    let (listed, words) = dead_letters(app, &["list", "--ids", "--queue", "webhook-events"]).await;
    assert!(
        listed.status.success() && words.contains("webhook-events: 1 exhausted 1"),
        "{words}"
    );
    let dead_letter = read_dead_letters(app, SourceQueue::WebhookEvents).await.remove(0);
    assert!(words.contains(&dead_letter.id), "{words}");
    let (refused, words) = dead_letters(app, &["list"]).await;
    assert!(
        !refused.status.success() && words.contains("there is no queue ias-RecordFetchQueue"),
        "{words}"
    );
}

/// Checks that a dry run leaves the dead letter in its queue, and so does a redrive for another reason.
async fn redrive_nothing(app: &TestApp) {
    let (dry, words) = dead_letters(app, &["redrive", "--reason", "exhausted", "--dry-run"]).await;
    assert!(
        dry.status.success() && words.contains("webhook-events: 1 would be sent back, 0 left"),
        "{words}"
    );
    assert_eq!(app.dead_letters(), 1);
    let (missed, words) = dead_letters(app, &["redrive", "--reason", "malformed"]).await;
    assert_eq!((missed.status.code(), app.dead_letters()), (Some(1), 1), "{words}");
}

async fn redrive_exhausted(app: &TestApp) {
    let (redriven, words) = dead_letters(app, &["redrive", "--reason", "exhausted"]).await;
    assert!(
        redriven.status.success() && words.contains("webhook-events: 1 sent back, 0 left"),
        "{words}"
    );
}

/// A dead letter of `record-fetch` lacks its link. If the operator sends it back while the record still waits, the
/// record does not fail: it asks for another link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redriven_fetch_without_a_link_asks_for_another_link() {
    let app = TestApp::start().await;
    let aws = app.sandbox().aws();
    let slow = QueueSpec {
        delay_secs: 60,
        ..spec(SourceQueue::RecordFetch, 5400, 5)
    };
    aws.create_queue(slow).await.expect("settings");
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let id = nora.start_from(&["lab"]).await;
    let record = nora.until_final_record(&id).await;
    let offered = until("the record is offered", async || {
        let table = app.table().await;
        let row = table
            .into_iter()
            .find(|item| item["sk"] == format!("RECORD#{record}"))?;
        // `webhook-process` has sent the message with the link, but the message is delayed.
        (row["state"] == "offered" && app.delayed(queues(SourceQueue::RecordFetch).0) == 1).then_some(row)
    })
    .await;
    let queries = app.upstream(Operation::StartConsolidatedQuery);
    aws.create_queue(spec(SourceQueue::RecordFetch, 5400, 5))
        .await
        .expect("settings");
    let owner = offered["pk"].as_str().unwrap().trim_start_matches("OWNER#");
    let fetch = json!({ "version": 1, "owner": owner, "record": record, "dueSeq": offered["dueSeq"], "link": "" });
    app.send_message(queues(SourceQueue::RecordFetch).0, &fetch.to_string())
        .await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    assert_eq!(nora.record(&record).await.text("/status"), "available");
    assert_eq!(app.upstream(Operation::StartConsolidatedQuery), queries + 1);
    app.end().await;
}

/// A dead letter that its consumer cannot read becomes a dead letter again at once. The command must send it back only
/// once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_dead_letter_is_sent_back_once() {
    let app = TestApp::start().await;
    let body = json!({ "version": 2, "note": CANARY }).to_string();
    let original_id = app.send_message(queues(SourceQueue::RunAdvance).0, &body).await;
    app.send_message(queues(SourceQueue::RunAdvance).0, "nothing").await;
    until_dead(&app, 2).await;
    // The redrive names the id of the original message, not the id of the dead letter.
    let queue = redrive_queues(&app, SourceQueue::RunAdvance).await;
    let by_id = Which {
        ids: vec![original_id],
        ..Which::default()
    };
    assert_eq!(queue.redrive(&by_id, false).await.unwrap().sent_back, 1);
    until_dead(&app, 2).await;
    let all = Which {
        all: true,
        ..Which::default()
    };
    let Redriven { sent_back, more, .. } = queue.redrive(&all, false).await.unwrap();
    assert_eq!((sent_back, more), (2, false));
    until_dead(&app, 2).await;
    app.drain().await;
    assert_eq!(
        reasons(&app, SourceQueue::RunAdvance).await,
        ["malformed", "unknown_version"]
    );
    assert!(
        bodies(&app, SourceQueue::RunAdvance).contains(&body),
        "the body is unchanged after each redrive"
    );
    app.stop().await;
}

/// Dead letters with an unreadable reason, or with a reason of a later version, are shown and sent back like others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_with_unknown_reasons_are_shown_and_kept() {
    let app = TestApp::start().await;
    let source = SourceQueue::RecordFetch;
    let url = app.sandbox().aws().queue_url(queues(source).1).expect("a queue");
    let sqs = app.aws().sqs();
    let later = json!({ "version": 1, "reason": "of_a_later_day", "queue": "record-fetch", "messageId": "m-1" });
    for cause in [
        later.to_string(),
        json!({ "version": 7, "reason": "malformed" }).to_string(),
        format!("{{\"{CANARY}"),
        json!({ "version": 1, "reason": CANARY, "queue": "record-fetch", "messageId": "m-2" }).to_string(),
    ] {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(cause);
        let sent = sqs
            .send_message()
            .queue_url(&url)
            .message_body(json!({ "note": CANARY }).to_string());
        let sent = sent
            .message_attributes("deadLetter", attribute.build().unwrap())
            .send()
            .await;
        sent.expect("it is sent");
    }
    let (listed, words) = dead_letters(&app, &["list"]).await;
    assert!(listed.status.success(), "{words}");
    for part in [
        "webhook-events: none",
        "run-advance: none",
        "record-fetch: 4",
        "of_a_later_day 1",
        "unreadable 3",
    ] {
        assert!(words.contains(part), "{part}: {words}");
    }
    let (redriven, words) = dead_letters(&app, &["redrive", "--reason", "unreadable"]).await;
    assert!(
        redriven.status.success() && words.contains("record-fetch: 3 sent back"),
        "{words}"
    );
    until_dead(&app, 4).await;
    app.drain().await;
    assert_eq!(
        reasons(&app, source).await,
        ["malformed", "malformed", "malformed", "of_a_later_day"]
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn command_without_an_account_names_the_missing_variable() {
    let running = Command::new(env!("CARGO_BIN_EXE_ias"))
        .args(["dead-letters", "list"])
        .env_clear()
        .output();
    let output = running.await.expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("AWS_REGION"), "{stderr}");
}

/// The event became a dead letter because an earlier reader could not read it. The present reader can, so the event has
/// its effect after it is sent back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redriven_identity_event_is_read_again() {
    let app = TestApp::start().await;
    let (nora, mut payload) = unconfirmed(&app).await;
    payload["name"] = json!(CANARY);
    let body = json!({ "meta": { "type": "ias.identity.verified" }, "payload": payload }).to_string();
    let dead_letter = json!({
        "version": 1, "message": "m", "digest": "d", "eventType": "ias.identity.verified", "receivedAt": 7,
        "event": { "kind": "identityUnclear", "body": body },
    });
    app.send_message(queues(SourceQueue::WebhookEvents).1, &dead_letter.to_string())
        .await;
    let (redriven, words) = dead_letters(&app, &["redrive", "--all"]).await;
    assert!(
        redriven.status.success() && words.contains("webhook-events: 1 sent back, 0 left"),
        "{words}"
    );
    nora.until_identity("verified").await;
    assert!(app.log().iter().all(|line| !line.contains(CANARY)));
    app.stop().await;
}
