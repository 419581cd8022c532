//! A message that its consumer cannot use becomes a dead letter: it keeps its reason, does not block other messages,
//! and can be sent back. Other tests send bad input that must not become a dead letter.

mod burst;
mod odd;
mod redrive;

use ias::dead_letters::{ListedDeadLetter, RedriveQueues};
use serde_json::{Value, json};
use shared::queue::SourceQueue;

use crate::harness::{Person, TestApp, until};
use crate::webhooks::{source, source_event};

const CANARY: &str = "CanaryInABody";

/// The names of a source's queue and dead-letter queue in the sandbox.
const fn queues(source: SourceQueue) -> (&'static str, &'static str) {
    match source {
        SourceQueue::WebhookEvents => ("ias-WebhookEventsQueue", "ias-WebhookEventsDeadLetters"),
        SourceQueue::RunAdvance => ("ias-RunAdvanceQueue", "ias-RunAdvanceDeadLetters"),
        SourceQueue::RecordFetch => ("ias-RecordFetchQueue", "ias-RecordFetchDeadLetters"),
        SourceQueue::AccountWork => ("ias-AccountWorkQueue", "ias-AccountWorkDeadLetters"),
    }
}

async fn redrive_queues(app: &TestApp, source: SourceQueue) -> RedriveQueues {
    let found = RedriveQueues::find(&app.aws().sqs(), "ias", source).await;
    found.expect("both queues")
}

/// A queue's dead letters, oldest first.
async fn read_dead_letters(app: &TestApp, source: SourceQueue) -> Vec<ListedDeadLetter> {
    let listing = redrive_queues(app, source).await.list().await.expect("letters");
    assert!(!listing.more);
    let mut dead_letters = listing.dead_letters;
    dead_letters.sort_by_key(|dead_letter| dead_letter.since);
    dead_letters
}

/// The reasons of a queue's dead letters, sorted.
async fn reasons(app: &TestApp, source: SourceQueue) -> Vec<String> {
    let dead_letters = read_dead_letters(app, source).await;
    let mut reasons: Vec<String> = dead_letters
        .iter()
        .map(|dead_letter| dead_letter.cause.reason().to_owned())
        .collect();
    reasons.sort();
    reasons
}

fn bodies(app: &TestApp, source: SourceQueue) -> Vec<String> {
    let messages = app.sandbox().aws().queues().messages(queues(source).1).unwrap();
    messages.into_iter().map(|message| message.body).collect()
}

async fn until_dead(app: &TestApp, count: usize) {
    until(&format!("{count} dead letters are kept"), async || {
        (app.dead_letters() == count).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_message_is_kept_with_its_reason() {
    const REASONS: [&str; 3] = ["malformed", "unknown_kind", "unknown_version"];
    let app = TestApp::start().await;
    send_unreadable_messages(&app).await;
    // The functions process later messages as usual.
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    assert_eq!(nora.pull().await.text("/status"), "completed");
    app.drain().await;
    until_dead(&app, 12).await;
    for source in SourceQueue::ALL {
        assert_eq!(reasons(&app, source).await, REASONS, "{source:?}");
        // The list receives the dead letters, and makes them visible again when it ends.
        let depth = app.sandbox().aws().queues().depths()[queues(source).1];
        assert_eq!((depth.visible, depth.in_flight), (3, 0), "{source:?}");
        assert_bodies_lack_only_record_links(&app, source);
    }
    let log = app.log();
    for (source, reason) in SourceQueue::ALL
        .iter()
        .flat_map(|source| REASONS.map(|reason| (source.name(), reason)))
    {
        assert_eq!(times_logged(&log, source, reason), 1, "{source} {reason}");
    }
    assert!(log.iter().all(|line| !line.contains(CANARY)));
    for reason in REASONS {
        let counted = app.until_metric("DeadLetters", &[("Reason", reason)], 4).await;
        assert_eq!(counted, [1.0; 4], "{reason}");
    }
    app.stop().await;
}

/// Sends three messages to every queue: one that is not JSON, one of a later version, and one of an unknown kind.
async fn send_unreadable_messages(app: &TestApp) {
    let link = format!("https://records.example.test/{CANARY}");
    let other_kind = json!({ "version": 1, "kind": "other", "link": link, "note": "kept" }).to_string();
    let other_version = json!({ "version": 2, "note": "kept", "link": link }).to_string();
    for source in SourceQueue::ALL {
        for body in [&format!("no JSON {link} kept"), &other_version, &other_kind] {
            app.send_message(queues(source).0, body).await;
        }
    }
}

/// Checks that the bodies are unchanged, except that those of `record-fetch` lack their links.
fn assert_bodies_lack_only_record_links(app: &TestApp, source: SourceQueue) {
    let bodies = bodies(app, source);
    assert!(bodies.iter().all(|body| body.contains("kept")), "{source:?}");
    let links = bodies.iter().filter(|body| body.contains(CANARY)).count();
    assert_eq!(
        links,
        if source == SourceQueue::RecordFetch { 0 } else { 3 },
        "{source:?}"
    );
}

fn times_logged(log: &[String], queue: &str, reason: &str) -> usize {
    let parts = [
        r#""message":"dead letter""#.to_owned(),
        format!(r#""queue":"{queue}""#),
        format!(r#""reason":"{reason}""#),
    ];
    let is_logged = |line: &&String| parts.iter().all(|part| line.contains(part));
    log.iter().filter(is_logged).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn poison_message_does_not_block_its_batch() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["lab"]).await;
    let request = app.until_held("network-query.", 1).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;
    let event = |message: &str, event: Value| {
        let about = json!({ "version": 1, "message": message, "digest": message, "eventType": "by.hand" });
        let mut body = about;
        body["request"] = json!(request);
        body["receivedAt"] = json!(7);
        body["event"] = event;
        body.to_string()
    };
    let lab = json!({ "kind": "source", "patient": patient, "source": "lab", "status": "completed" });
    let unreadable = json!({ "kind": "identityUnclear", "body": CANARY });
    let bodies = [
        "{".to_owned(),
        event("a", unreadable),
        event("b", json!({ "kind": "other" })),
        r#"{"version":9}"#.to_owned(),
        event("c", lab),
        event("d", json!({ "kind": "unheard-of" })),
    ];
    let records: Vec<Value> = bodies
        .iter()
        .enumerate()
        .map(|(index, body)| json!({ "messageId": index.to_string(), "body": body, "eventSource": "aws:sqs" }))
        .collect();
    let batch = json!({ "Records": records });
    let reply = app.sandbox().host().invoke("webhook-process", batch).await.unwrap();
    assert_eq!(
        reply["batchItemFailures"],
        json!([]),
        "all are stored as dead letters, so none is redelivered"
    );
    assert_eq!(source(&nora, &id, "lab").await, "completed");
    assert_eq!(
        reasons(&app, SourceQueue::WebhookEvents).await,
        [
            "identity_event_unreadable",
            "malformed",
            "unknown_kind",
            "unknown_version"
        ]
    );
    app.stop().await;
}

/// The event can be the only news that a person's identity was verified. So the dead letter has the whole body, and
/// raises an alarm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_event_without_an_id_is_kept_whole() {
    let app = TestApp::start().await;
    let event = |id: &str, payload: Value| json!({ "meta": { "messageId": id, "type": "ias.identity.verified" }, "payload": payload });
    let unbound = json!({ "proofedIdentityId": "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d", "name": CANARY });
    let mut with_patient = unbound.clone();
    with_patient["patientId"] = json!("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8e");
    for body in [
        event("no-id", json!({ "deep": [{ "name": CANARY }] })),
        // An event that is too large for a message is cut to the size that fits.
        event("huge", json!({ "padding": "x".repeat(1024 * 1024) })),
        event("unbound", unbound.clone()),
        event("nobody's", with_patient),
    ] {
        assert_eq!(app.send_signed(&body).await, 200);
    }
    // The reader skips a value with half of a surrogate pair, as `JSON.stringify` writes it. The rest of this event has
    // no id.
    let half = format!(r#"{{"meta":{{"type":"ias.identity.verified"}},"name":"{CANARY}\ud83d"}}"#);
    let signature = app.stand_in().sign(half.as_bytes());
    assert_eq!(app.stand_in().send_raw(half.as_str(), Some(&signature)).await, Ok(200));
    until_dead(&app, 5).await;
    app.drain().await;
    assert_eq!(
        reasons(&app, SourceQueue::WebhookEvents).await,
        [
            "identity_event_unbound",
            "identity_event_unbound",
            "identity_event_unreadable",
            "identity_event_unreadable",
            "identity_event_unreadable"
        ]
    );
    let bodies = bodies(&app, SourceQueue::WebhookEvents);
    assert_eq!(bodies.iter().filter(|body| body.contains(CANARY)).count(), 4);
    assert_eq!(bodies.iter().filter(|body| body.len() > 150_000).count(), 1);
    assert!(app.log().iter().all(|line| !line.contains(CANARY)));
    app.stop().await;
}

/// Returns a person who has passed the identity page while the webhook is held. Returns also the payload of an event
/// that names the patient but not the session.
async fn unconfirmed(app: &TestApp) -> (Person, Value) {
    let nora = app.person("nora", "Jane").await;
    app.stand_in().hold_webhooks();
    assert_eq!(nora.link().await.status, 200);
    nora.pass_identity_page().await;
    app.until_held("ias.identity.verified", 1).await;
    let patient = app.patient_of("nora").await;
    let payload = json!({ "proofedIdentityId": "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d", "patientId": patient });
    (nora, payload)
}

/// The event's body does not fit into a message of the queue, but the values read from it do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_identity_event_naming_its_patient_is_bound() {
    let app = TestApp::start().await;
    let (nora, mut payload) = unconfirmed(&app).await;
    payload["padding"] = json!("x".repeat(1024 * 1024));
    let event = json!({ "meta": { "messageId": "m", "type": "ias.identity.verified" }, "payload": payload });
    assert_eq!(app.send_signed(&event).await, 200);
    nora.until_identity("verified").await;
    app.stop().await;
}

/// If two different events have one message id, the first counts, and the second becomes a dead letter, however late it
/// arrives. A replay, which lacks our metadata, is not a different event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_event_under_one_message_id_becomes_a_dead_letter() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let request = app.until_held("network-query.", 3).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;

    let mut first = source_event(&patient, &request, "twice", "hie");
    first["meta"]["data"] = json!({ "runId": id });
    let replay = source_event(&patient, &request, "twice", "hie");
    let second = source_event(&patient, &request, "twice", "lab");
    for body in [&first, &replay, &second, &replay] {
        assert_eq!(app.send_signed(body).await, 200);
        app.drain().await;
    }
    let statuses = (source(&nora, &id, "hie").await, source(&nora, &id, "lab").await);
    assert_eq!(statuses, ("completed".into(), "processing".into()));
    assert_eq!(reasons(&app, SourceQueue::WebhookEvents).await, ["message_id_reused"]);
    assert!(bodies(&app, SourceQueue::WebhookEvents)[0].contains(r#""source":"lab""#));

    // Two processes can handle the two events of a pair at the same time. One event counts, and the other becomes a
    // dead letter.
    for message in 0..8 {
        let one = source_event(&patient, &request, &format!("pair-{message}"), "hie");
        let mut other = one.clone();
        other["payload"]["source"]["status"] = json!("failed");
        assert_eq!(tokio::join!(app.send_signed(&one), app.send_signed(&other)), (200, 200));
    }
    until_dead(&app, 9).await;
    app.drain().await;
    assert_eq!(
        reasons(&app, SourceQueue::WebhookEvents).await,
        ["message_id_reused"; 9]
    );

    // Different events of an ignored type may share a message id.
    for payload in 0..3 {
        let meta = json!({ "messageId": "test", "type": "patient.admit" });
        let body = json!({ "meta": meta, "payload": payload });
        assert_eq!(app.send_signed(&body).await, 200);
        app.drain().await;
    }
    assert_eq!(app.dead_letters(), 9);

    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    app.stop().await;
}
