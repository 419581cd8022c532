//! Webhooks that are signed and yet not what we expect.

use reqwest::Method;
use sandbox_metriport::Operation;
use serde_json::json;

use super::{LONG_AGO, PATH, calls, delivery, source, source_event};
use crate::harness::TestApp;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_but_signed_webhooks_are_acknowledged() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let request = app.until_held("network-query.", 3).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;

    // The ping is answered by its own text.
    let ping =
        json!({ "ping": "p-17", "meta": { "messageId": "ping-1", "when": LONG_AGO, "type": "ping" } }).to_string();
    let signed = nora
        .app
        .anonymous(Method::POST, PATH)
        .header("x-metriport-signature", app.stand_in().sign(ping.as_bytes()));
    let pong = ias::app::reply(signed.header("content-type", "application/json").body(ping))
        .await
        .unwrap();
    assert_eq!((pong.status, pong.body), (200, json!({ "pong": "p-17" })));

    // Nothing of these is ours to act on.
    let before = (nora.run(&id).await.body, nora.timeline(&id).await.body);
    let stranger = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
    let mut other_metadata = source_event(&patient, stranger, "odd-4", "hie");
    other_metadata["meta"]["data"] = json!({ "runId": stranger });
    let mut processing = source_event(&patient, &request, "odd-6", "hie");
    processing["payload"]["source"]["status"] = json!("processing");
    for body in [
        json!({ "meta": { "messageId": "odd-1", "type": "patient.admit" }, "payload": { "patientId": patient } }),
        source_event(stranger, &request, "odd-2", "hie"),
        source_event(&patient, stranger, "odd-3", "hie"),
        other_metadata,
        delivery(&patient, &request, "odd-5", "https://records.example.test/x"),
        processing,
        source_event(&patient, &request, "odd-7", "carrier-pigeon"),
        json!({ "payload": { "patientId": patient } }),
        json!([]),
    ] {
        assert_eq!(app.send_signed(&body).await, 200, "{body}");
    }
    app.drain().await;
    assert_eq!((nora.run(&id).await.body, nora.timeline(&id).await.body), before);

    assert_eq!(
        app.send_signed(&source_event(&patient, &request, "once", "hie")).await,
        200
    );
    app.drain().await;
    assert_eq!(
        (source(&nora, &id, "hie").await, source(&nora, &id, "lab").await),
        ("completed".into(), "processing".into())
    );

    // No age is too old and none too young; no message id is needed; and a megabyte is no hurdle.
    let mut future = source_event(&patient, &request, "future", "pharmacy");
    future["meta"]["when"] = json!("2099-01-01T00:00:00.000Z");
    assert_eq!(app.send_signed(&future).await, 200);
    let mut large = source_event(&patient, &request, "large", "lab");
    large["meta"].as_object_mut().unwrap().remove("messageId");
    large["payload"]["padding"] = json!("x".repeat(1024 * 1024));
    assert_eq!(app.send_signed(&large).await, 200);
    app.drain().await;
    assert_eq!(
        (source(&nora, &id, "pharmacy").await, source(&nora, &id, "lab").await),
        ("completed".into(), "completed".into())
    );

    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);
    app.end().await;
}
