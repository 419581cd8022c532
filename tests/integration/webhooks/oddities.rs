//! Webhooks that are signed, but unexpected.

use reqwest::Method;
use sandbox_metriport::Operation;
use serde_json::{Value, json};

use super::{LONG_AGO, PATH, calls, delivery, source, source_event};
use crate::harness::{Person, TestApp};

const STRANGER: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

/// A pull from all sources whose webhooks are held, and the ids that its webhooks name.
struct SilentPull {
    id: String,
    request: String,
    patient: String,
}

async fn start_silent_pull(app: &TestApp, nora: &Person) -> SilentPull {
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let request = app.until_held("network-query.", 3).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;
    SilentPull { id, request, patient }
}

async fn end_after_pull(app: TestApp, nora: &Person, pull: &SilentPull) {
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&pull.id).await.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_ping_is_answered_with_its_own_text() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let ping =
        json!({ "ping": "p-17", "meta": { "messageId": "ping-1", "when": LONG_AGO, "type": "ping" } }).to_string();
    let signed = nora
        .app
        .anonymous(Method::POST, PATH)
        .header("x-metriport-signature", app.stand_in().sign(ping.as_bytes()));
    let pong = sandbox_machine::app::reply(signed.header("content-type", "application/json").body(ping))
        .await
        .unwrap();
    assert_eq!((pong.status, pong.body), (200, json!({ "pong": "p-17" })));
    app.end().await;
}

/// Events that do not concern the pull, or that must not change it.
fn odd_webhooks(pull: &SilentPull) -> [Value; 9] {
    let SilentPull { request, patient, .. } = pull;
    let mut other_metadata = source_event(patient, STRANGER, "odd-4", "hie");
    other_metadata["meta"]["data"] = json!({ "runId": STRANGER });
    let mut processing = source_event(patient, request, "odd-6", "hie");
    processing["payload"]["source"]["status"] = json!("processing");
    [
        json!({ "meta": { "messageId": "odd-1", "type": "patient.admit" }, "payload": { "patientId": patient } }),
        source_event(STRANGER, request, "odd-2", "hie"),
        source_event(patient, STRANGER, "odd-3", "hie"),
        other_metadata,
        delivery(patient, request, "odd-5", "https://records.example.test/x"),
        processing,
        source_event(patient, request, "odd-7", "carrier-pigeon"),
        json!({ "payload": { "patientId": patient } }),
        json!([]),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_but_signed_webhooks_are_acknowledged() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let pull = start_silent_pull(&app, &nora).await;
    let before = (nora.read_pull(&pull.id).await.body, nora.timeline(&pull.id).await.body);
    for body in odd_webhooks(&pull) {
        assert_eq!(app.send_signed(&body).await, 200, "{body}");
    }
    app.drain().await;
    assert_eq!(
        (nora.read_pull(&pull.id).await.body, nora.timeline(&pull.id).await.body),
        before
    );

    // An ordinary event counts, for its own source alone.
    let ordinary = source_event(&pull.patient, &pull.request, "once", "hie");
    assert_eq!(app.send_signed(&ordinary).await, 200);
    app.drain().await;
    assert_eq!(
        (
            source(&nora, &pull.id, "hie").await,
            source(&nora, &pull.id, "lab").await
        ),
        ("completed".into(), "processing".into())
    );
    end_after_pull(app, &nora, &pull).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_counts_at_any_age_without_id_and_at_a_megabyte() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let pull = start_silent_pull(&app, &nora).await;
    let mut future = source_event(&pull.patient, &pull.request, "future", "pharmacy");
    future["meta"]["when"] = json!("2099-01-01T00:00:00.000Z");
    assert_eq!(app.send_signed(&future).await, 200);
    let mut large = source_event(&pull.patient, &pull.request, "large", "lab");
    large["meta"].as_object_mut().unwrap().remove("messageId");
    large["payload"]["padding"] = json!("x".repeat(1024 * 1024));
    assert_eq!(app.send_signed(&large).await, 200);
    app.drain().await;
    assert_eq!(
        (
            source(&nora, &pull.id, "pharmacy").await,
            source(&nora, &pull.id, "lab").await
        ),
        ("completed".into(), "completed".into())
    );
    end_after_pull(app, &nora, &pull).await;
}
