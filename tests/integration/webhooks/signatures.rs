//! What Metriport signed, and what it did not.

use reqwest::Method;
use sandbox_metriport::Operation;
use serde_json::json;
use shared::metriport::WebhookReplay;

use super::{PATH, calls, source, source_event};
use crate::harness::{TestApp, until};

/// The same body, unsigned or badly signed, changes nothing; signed, it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_metriport_did_not_sign_changes_nothing() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["pharmacy", "lab"]).await;
    let request = app.until_held("network-query.", 2).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;
    let body = source_event(&patient, &request, "forged-1", "pharmacy").to_string();
    let good = app.stand_in().sign(body.as_bytes());
    let other = app.stand_in().sign(format!("{body} ").as_bytes());
    let upper = good.to_uppercase();
    let prefixed = format!("sha256={good}");
    let zeros = "0".repeat(64);
    let bad = [
        None,
        Some(""),
        Some(&*other),
        Some(&*upper),
        Some(&*prefixed),
        Some(&good[..63]),
        Some(&*zeros),
    ];
    for signature in bad {
        let request = nora
            .app
            .anonymous(Method::POST, PATH)
            .header("content-type", "application/json");
        let request = match signature {
            Some(signature) => request.header("x-metriport-signature", signature),
            None => request,
        };
        let reply = ias::app::reply(request.body(body.clone())).await.unwrap();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "signature_invalid"),
            "{signature:?}"
        );
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert_eq!(
            app.sandbox()
                .aws()
                .queues()
                .messages("ias-WebhookEventsQueue")
                .unwrap()
                .len(),
            0
        );
    }
    // Nothing is read before that: what is no webhook, and no JSON, is told the same.
    for body in ["", "{", "nonsense", "[]", "{}", "\u{0}"] {
        for signature in ["", &*zeros] {
            let request = nora.app.anonymous(Method::POST, PATH);
            let request = request.header("x-metriport-signature", signature);
            let reply = ias::app::reply(request.body(body)).await.unwrap();
            let told = (reply.status, reply.code());
            assert_eq!(told, (401, "signature_invalid".to_owned()), "{body:?}");
        }
    }
    app.drain().await;
    assert_eq!(source(&nora, &id, "pharmacy").await, "processing");
    assert!(app.items().await.iter().all(|item| !item.contains("forged-1")));

    // A content type that is no text makes API Gateway encode the body; what counts is the bytes that were signed.
    let request = nora
        .app
        .anonymous(Method::POST, PATH)
        .header("content-type", "application/octet-stream");
    let reply = ias::app::reply(request.header("x-metriport-signature", &good).body(body))
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    until("the signed event counts", async || {
        (source(&nora, &id, "pharmacy").await == "completed").then_some(())
    })
    .await;
    assert_eq!(
        calls(&app, Operation::ReadNetworkQuery),
        0,
        "it was not the webhook that said so"
    );
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_keys_count_while_a_rotation_settles() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    assert_eq!(nora.link().await.status, 200);
    let old_key = app.stand_in().webhook_key();
    let unknown = |message: &str| json!({ "meta": { "messageId": message, "type": "rotation.test" } }).to_string();
    let old = (unknown("old"), app.stand_in().sign(unknown("old").as_bytes()));
    let send = async |body: &str, signature: &str| app.stand_in().send_raw(body, Some(signature)).await.unwrap();

    // Metriport changes the key at once; until the secret is stored, what it signs is refused and kept as failed.
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
    // What was refused before the new key was stored, and what the old key signed after its time.
    let refused = app
        .until_measured("WebhooksRefused", &[("Reason", "mismatch")], 2)
        .await;
    assert_eq!(refused, [1.0; 2]);
    app.end().await;
}
