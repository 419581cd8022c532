//! Webhooks with and without Metriport's signature.

use reqwest::Method;
use sandbox_machine::app::Reply;
use sandbox_metriport::Operation;
use serde_json::json;
use shared::metriport::WebhookReplay;

use super::{PATH, calls, source, source_event};
use crate::harness::{Person, TestApp, until};

const MISMATCH_HEX: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A pull whose webhooks are all held, and the body of a source event that the test can send.
struct AwaitedEvent {
    pull: String,
    body: String,
}

async fn await_source_event(app: &TestApp, nora: &Person) -> AwaitedEvent {
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let pull = nora.start_from(&["pharmacy", "lab"]).await;
    let request = app.until_held("network-query.", 2).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;
    let body = source_event(&patient, &request, "forged-1", "pharmacy").to_string();
    AwaitedEvent { pull, body }
}

/// Posts a webhook body with these headers, as any stranger can.
async fn post_webhook(nora: &Person, headers: &[(&str, &str)], body: &str) -> Reply {
    let mut request = nora.app.anonymous(Method::POST, PATH);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sandbox_machine::app::reply(request.body(body.to_owned()))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_without_a_valid_signature_changes_nothing() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let AwaitedEvent { pull, body } = await_source_event(&app, &nora).await;
    let good = app.stand_in().sign(body.as_bytes());
    let of_another_body = app.stand_in().sign(format!("{body} ").as_bytes());
    let (upper, prefixed) = (good.to_uppercase(), format!("sha256={good}"));
    let bad = [
        None,
        Some(""),
        Some(&*of_another_body),
        Some(&*upper),
        Some(&*prefixed),
        Some(&good[..63]),
        Some(MISMATCH_HEX),
    ];
    for signature in bad {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signature.map(|signature| ("x-metriport-signature", signature)));
        let reply = post_webhook(&nora, &headers, &body).await;
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "signature_invalid"),
            "{signature:?}"
        );
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        let queues = app.sandbox().aws().queues();
        assert_eq!(queues.messages("ias-WebhookEventsQueue").unwrap().len(), 0);
    }
    app.drain().await;
    assert_eq!(source(&nora, &pull, "pharmacy").await, "processing");
    assert!(app.items().await.iter().all(|item| !item.contains("forged-1")));
    end_after_pull(app, &nora, &pull).await;
}

/// A body that is not a webhook, or not even JSON, gets the same refusal, because the signature is checked first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_is_not_read_before_its_signature_is_checked() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    for body in ["", "{", "nonsense", "[]", "{}", "\u{0}"] {
        for signature in ["", MISMATCH_HEX] {
            let reply = post_webhook(&nora, &[("x-metriport-signature", signature)], body).await;
            let refusal = (reply.status, reply.code());
            assert_eq!(refusal, (401, "signature_invalid".to_owned()), "{body:?}");
        }
    }
    app.end().await;
}

/// API Gateway encodes a body in Base64 if its content type is not text. The signature covers the bytes before the
/// encoding.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_event_counts_with_a_binary_content_type() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let AwaitedEvent { pull, body } = await_source_event(&app, &nora).await;
    let signature = app.stand_in().sign(body.as_bytes());
    let headers = [
        ("content-type", "application/octet-stream"),
        ("x-metriport-signature", &*signature),
    ];
    assert_eq!(post_webhook(&nora, &headers, &body).await.status, 200);
    until("the signed event counts", async || {
        (source(&nora, &pull, "pharmacy").await == "completed").then_some(())
    })
    .await;
    assert_eq!(
        calls(&app, Operation::ReadNetworkQuery),
        0,
        "the state came from a poll, not from the webhook"
    );
    end_after_pull(app, &nora, &pull).await;
}

async fn end_after_pull(app: TestApp, nora: &Person, pull: &str) {
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(pull).await.text("/status"), "completed");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_keys_count_until_the_previous_key_ends() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let old_key = app.stand_in().webhook_key();
    let unknown = |message: &str| json!({ "meta": { "messageId": message, "type": "rotation.test" } }).to_string();
    let old = (unknown("old"), app.stand_in().sign(unknown("old").as_bytes()));
    let send = async |body: &str, signature: &str| app.stand_in().send_raw(body, Some(signature)).await.unwrap();

    // Metriport signs with the new key at once. Until the operator stores the key, the function refuses Metriport's
    // webhooks, and Metriport keeps them as failed.
    let new_key = app.stand_in().rotate_webhook_key();
    nora.pass_identity_page().await;
    until("the delivery was refused", async || {
        app.stand_in()
            .deliveries()
            .iter()
            .any(|delivery| delivery.status == Some(401))
            .then_some(())
    })
    .await;
    assert_eq!(nora.identity().await, "pending");

    let end = shared::clock::now()
        .plus(std::time::Duration::from_secs(3600))
        .to_string();
    app.store_webhook_keys(&json!({ "current": new_key, "previous": old_key, "previousUntil": end }))
        .await;
    app.sandbox()
        .metriport_client()
        .unwrap()
        .retry_webhooks()
        .await
        .unwrap();
    nora.until_identity("verified").await;
    assert_eq!(send(&old.0, &old.1).await, 200);

    app.store_webhook_keys(&json!({ "current": new_key, "previous": "" }))
        .await;
    assert_eq!(send(&old.0, &old.1).await, 401);
    let new = unknown("new");
    assert_eq!(send(&new, &app.stand_in().sign(new.as_bytes())).await, 200);
    // Two webhooks were refused: one before the new key was stored, and one with the old key after its end.
    let refused = app.until_metric("WebhooksRefused", &[("Reason", "mismatch")], 2).await;
    assert_eq!(refused, [1.0; 2]);
    app.end().await;
}
