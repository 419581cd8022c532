//! Tests of delivery (once, signed, and retried only on request), and of holding, dropping and repeating messages.

use sandbox_metriport::{DeliveryError, Replay, StandIn};
use serde_json::{Value, json};

use crate::bench::{Bench, options};

/// Starts a query over three sources, holds all its messages, and returns the patient's id.
async fn three_held(bench: &mut Bench) -> String {
    let patient_id = bench.patient("Nora").await;
    bench.stand_in.hold_webhooks();
    bench.treatment(&patient_id, json!({ "runId": "run-1" })).await;
    bench.until(|bench| bench.stand_in.held().len() == 3).await;
    patient_id
}

async fn status(bench: &Bench) -> Value {
    bench.get_json("/settings/webhook").await
}

#[tokio::test]
async fn settings_show_url_key_and_delivery_state() {
    let bench = Bench::ready(options()).await;
    assert_eq!(status(&bench).await["webhookEnabled"], true);
    let settings = bench.get_json("/settings").await;
    assert_eq!(
        (&settings["webhookUrl"], &settings["webhookKey"]),
        (&json!(bench.hook_url), &json!(bench.stand_in.webhook_key()))
    );
    assert_eq!(
        bench
            .post("/settings", &json!({ "webhookUrl": "https://x.amazonaws.com/" }))
            .await
            .status(),
        400
    );
    assert_eq!(
        bench
            .post("/settings", &json!({ "webhookUrl": bench.hook_url, "more": 1 }))
            .await
            .status(),
        400
    );
    let reply = bench.post_json("/settings", &json!({ "webhookUrl": "" })).await;
    assert_eq!(reply["webhookUrl"], bench.hook_url.as_str());
    assert_ne!(
        bench.stand_in.rotate_webhook_key(),
        settings["webhookKey"].as_str().unwrap()
    );
    bench.stop().await;
}

/// Metriport documents that clearing the URL and setting it again makes another key. Its public code ignores an empty
/// URL.
#[tokio::test]
async fn clearing_the_url_replaces_the_key_only_with_the_option() {
    for clearing_makes_key in [true, false] {
        let mut bench = Bench::ready(sandbox_metriport::StandInOptions {
            clearing_makes_key,
            ..options()
        })
        .await;
        let before = bench.get_json("/settings").await;
        let cleared = bench.post_json("/settings", &json!({ "webhookUrl": "" })).await;
        if clearing_makes_key {
            assert_eq!(
                (&cleared["webhookUrl"], &cleared["webhookKey"]),
                (&json!(null), &json!(null))
            );
        } else {
            assert_eq!(cleared, before);
        }
        let again = bench
            .post_json("/settings", &json!({ "webhookUrl": bench.hook_url }))
            .await;
        assert_eq!(again["webhookKey"] != before["webhookKey"], clearing_makes_key);
        let ping = bench.hook().await;
        assert_eq!(ping.signature, bench.stand_in.sign(&ping.raw));
        bench.stop().await;
    }
}

#[tokio::test]
async fn failed_ping_disables_the_webhook() {
    let mut bench = Bench::ready(options()).await;
    bench.answer_with(500);
    bench.post("/settings", &json!({ "webhookUrl": bench.hook_url })).await;
    bench.hook().await;
    bench.until(|bench| bench.stand_in.deliveries().len() == 2).await;
    let status = status(&bench).await;
    assert_eq!(
        (&status["webhookEnabled"], &status["webhookRequestsFailed"]),
        (&json!(false), &json!(0))
    );
    bench.stop().await;
}

#[tokio::test]
async fn failed_messages_are_replayed_in_order_without_metadata() {
    let mut bench = Bench::ready(options()).await;
    bench.answer_with(500);
    let patient_id = bench.patient("Nora").await;
    bench.treatment(&patient_id, json!({ "runId": "run-1" })).await;
    let mut first = Vec::new();
    for _ in 0..3 {
        first.push(bench.hook().await);
    }
    bench.until(|bench| bench.stand_in.deliveries().len() == 4).await;
    assert_eq!(status(&bench).await["webhookRequestsFailed"], 3);
    assert!(!bench.has_hook());
    bench.answer_with(200);
    assert_eq!(
        bench
            .post("/settings/webhook/retry", &json!({}))
            .await
            .text()
            .await
            .unwrap(),
        "OK"
    );
    let order = ["network-query.hie", "network-query.pharmacy", "network-query.lab"];
    for event_type in order {
        let again = bench.hook().await;
        let original = first.iter().find(|hook| hook.event_type() == event_type).unwrap();
        assert_eq!(
            (again.event_type(), again.message_id()),
            (event_type, original.message_id())
        );
        assert_eq!(
            (&again.json["meta"]["when"], &again.json["payload"]),
            (&original.json["meta"]["when"], &original.json["payload"])
        );
        assert!(again.json["meta"].get("data").is_none() && original.json["meta"].get("data").is_some());
        assert_eq!(again.signature, bench.stand_in.sign(&again.raw));
    }
    bench
        .until(|bench| bench.stand_in.deliveries().iter().filter(|log| log.replayed).count() == 3)
        .await;
    assert_eq!(status(&bench).await["webhookRequestsFailed"], 0);
    bench.stop().await;
}

#[tokio::test]
async fn messages_without_a_url_count_as_failed() {
    let bench = Bench::start(options()).await;
    let patient_id = bench.patient("Nora").await;
    let request_id = bench.treatment(&patient_id, json!({})).await;
    let path = format!("/medical/v1/network/query/{request_id}");
    let mut looks = 0;
    while bench.get_json(&path).await["status"] == "processing" {
        looks += 1;
        assert!(looks < 10_000, "the query never ended");
    }
    assert_eq!(status(&bench).await["webhookRequestsFailed"], 3);
    assert_eq!(bench.stand_in.send_raw("x", None).await, Err(DeliveryError::NoUrl));
    bench.stop().await;
}

#[tokio::test]
async fn held_messages_are_released_in_the_requested_order() {
    let mut bench = Bench::ready(options()).await;
    three_held(&mut bench).await;
    assert!(!bench.has_hook());
    assert_eq!(bench.stand_in.release(&[2, 0]).await, [Ok(200), Ok(200)]);
    assert_eq!(bench.hook().await.event_type(), "network-query.lab");
    assert_eq!(bench.hook().await.event_type(), "network-query.hie");
    assert_eq!(bench.stand_in.held()[0].index, 1);
    assert_eq!(bench.stand_in.release_all().await, [Ok(200)]);
    assert_eq!(bench.hook().await.event_type(), "network-query.pharmacy");
    bench.stop().await;
}

#[tokio::test]
async fn dropped_messages_count_as_failed() {
    let mut bench = Bench::ready(options()).await;
    three_held(&mut bench).await;
    bench.stand_in.drop_held(&[0, 1]);
    bench.stand_in.release_all().await;
    assert_eq!(bench.hook().await.event_type(), "network-query.lab");
    assert_eq!(status(&bench).await["webhookRequestsFailed"], 2);
    bench.stop().await;
}

#[tokio::test]
async fn message_can_be_sent_again_with_or_without_metadata() {
    let mut bench = Bench::ready(options()).await;
    three_held(&mut bench).await;
    let message_id = bench.stand_in.held()[0].message_id.clone();
    bench.stand_in.release_all().await;
    let first = bench.hook().await;
    bench.hook().await;
    bench.hook().await;
    assert_eq!(
        bench.stand_in.deliver_again(&message_id, Replay::default()).await,
        Ok(200)
    );
    assert_eq!(bench.hook().await.raw, first.raw);
    assert_eq!(
        bench
            .stand_in
            .deliver_again(&message_id, Replay { strip_meta_data: true })
            .await,
        Ok(200)
    );
    assert!(bench.hook().await.json["meta"].get("data").is_none());
    let unknown = bench.stand_in.deliver_again("unknown", Replay::default()).await;
    assert_eq!(unknown, Err(DeliveryError::UnknownMessage));
    bench.stop().await;
}

#[tokio::test]
async fn raw_bytes_are_sent_with_any_signature() {
    let mut bench = Bench::ready(options()).await;
    let body = br#"{"meta":{"type":"forged"}}"#;
    bench.answer_with(401);
    assert_eq!(bench.stand_in.send_raw(&body[..], Some("00")).await, Ok(401));
    let forged = bench.hook().await;
    assert_eq!((&forged.raw[..], forged.signature.as_str()), (&body[..], "00"));
    assert_eq!(bench.stand_in.send_raw(&body[..], None).await, Ok(401));
    assert_eq!(bench.hook().await.signature, "");
    bench.stop().await;
}

#[tokio::test]
async fn sample_payload_is_sent_signed() {
    let mut bench = Bench::ready(options()).await;
    assert_eq!(
        bench
            .post("/settings/webhook/sample-payload", &json!({ "meta": {} }))
            .await
            .status(),
        400
    );
    let sample = json!({ "meta": { "type": "ias.identity.verified", "messageId": "m-1" }, "payload": {} });
    assert_eq!(
        bench.post("/settings/webhook/sample-payload", &sample).await.status(),
        200
    );
    let hook = bench.hook().await;
    assert_eq!(
        (&hook.json, &hook.signature),
        (&sample, &bench.stand_in.sign(&hook.raw))
    );
    bench.stop().await;
}

#[tokio::test]
async fn taken_port_is_an_error_and_is_free_after_shutdown() {
    let bench = Bench::start(options()).await;
    let port: u16 = bench.stand_in.base_url().rsplit(':').next().unwrap().parse().unwrap();
    let same = || StandIn::start(sandbox_metriport::StandInOptions { port, ..options() });
    assert!(same().await.err().unwrap().to_string().contains(&port.to_string()));
    bench.stop().await;
    same().await.unwrap().shutdown().await;
}
