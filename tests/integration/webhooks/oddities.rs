//! Webhooks that are signed and yet not what we expect.

use reqwest::Method;
use sandbox_metriport::Operation;
use serde_json::{Value, json};

use super::{LONG_AGO, PATH, calls, delivery, source, source_event};
use crate::harness::{TestApp, until};

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

    // One message id, two bodies: the first counts, in whichever order they are read.
    assert_eq!(
        app.send_signed(&source_event(&patient, &request, "twice", "hie")).await,
        200
    );
    app.drain().await;
    assert_eq!(
        app.send_signed(&source_event(&patient, &request, "twice", "lab")).await,
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_event_without_an_id_is_kept_and_hides_no_other() {
    let app = TestApp::start().await;
    let event = |id: &str, payload: Value| {
        let meta = json!({ "messageId": id, "type": "ias.identity.verified" });
        json!({ "meta": meta, "payload": payload })
    };
    assert_eq!(app.send_signed(&event("no-id", json!({ "deep": [1] }))).await, 200);
    // Kept as well where it is larger than a message can be.
    assert_eq!(
        app.send_signed(&event("huge", json!({ "padding": "x".repeat(1024 * 1024) })))
            .await,
        200
    );
    let queues = app.sandbox().aws().queues();
    let kept = until("the messages have failed once", async || {
        let failed = app.log().iter().filter(|line| line.contains("message failed")).count();
        let messages = queues.messages("ias-WebhookEventsQueue").unwrap();
        (failed == 2 && messages.len() == 2).then_some(messages)
    })
    .await;
    assert!(kept.iter().all(|message| message.receive_count == 1));
    let kept = kept.into_iter().find(|message| message.body.contains("no-id")).unwrap();

    // In a batch it comes back alone.
    let harmless = json!({ "meta": { "messageId": "m-2", "type": "nothing.known" } });
    assert_eq!(app.send_signed(&harmless).await, 200);
    let record = |id: &str, body: &str| json!({ "messageId": id, "body": body, "eventSource": "aws:sqs" });
    let good = kept.body.replace("identityUnreadable", "other");
    let bodies = [
        ("a", kept.body.as_str()),
        ("b", &good),
        ("c", "{"),
        ("d", "{\"version\":9}"),
    ];
    let batch = json!({ "Records": bodies.map(|(id, body)| record(id, body)) });
    let reply = app.sandbox().host().invoke("webhook-process", batch).await.unwrap();
    let failed: Vec<&str> = reply["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["itemIdentifier"].as_str())
        .collect();
    assert_eq!(failed, ["a", "c", "d"]);
    // The harmless one goes; the two stay, neither lost nor dead.
    until("only what failed is left", async || {
        (queues.messages("ias-WebhookEventsQueue").unwrap().len() == 2).then_some(())
    })
    .await;
    assert_eq!(app.dead_letters(), 0);
    app.stop().await;
}
