//! Keys that change while everything runs, and secrets that hold none.

use std::time::Duration;

use sandbox_metriport::Operation;
use serde_json::{Value, json};
use shared::clock;

use crate::harness::{TestApp, until};

const API_KEY: &str = "ias-MetriportApiKeySecret";
const WEBHOOK_KEYS: &str = "ias-WebhookKeysSecret";
/// What no log may hold.
const CANARY: &str = "CANARY0webhook0key";

/// An event of a kind that nobody handles, signed by whatever key the stand-in has now.
fn signed(app: &TestApp, message: &str) -> (String, String) {
    let body = json!({ "meta": { "messageId": message, "type": "rotation.test" } }).to_string();
    let signature = app.stand_in().sign(body.as_bytes());
    (body, signature)
}

async fn send(app: &TestApp, (body, signature): &(String, String)) -> u16 {
    let sent = app.stand_in().send_raw(body.clone(), Some(signature)).await;
    sent.expect("an answer")
}

/// Metriport allows two keys at once: the second is stored, the first revoked, and no process is started anew for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_api_key_is_replaced_without_a_deployment() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    let old = app.stand_in().api_key().to_owned();
    let new = app.stand_in().make_api_key().expect("a second key");
    app.store_secret(API_KEY, &new).await;
    let processes = |function| app.processes(function).len();
    nora.pass_challenge().await;
    let before = processes("aal2-challenge");

    assert!(app.stand_in().revoke_api_key(&old));
    let run = nora.pull().await;
    assert_eq!(run.text("/status"), "completed", "{:?}", run.body);
    let stats = app.stand_in().stats();
    assert_eq!(
        stats.calls(Operation::CreateChallenge),
        3,
        "one before, one refused, and that again with the new key"
    );
    assert_eq!(app.stand_in().network_queries().len(), 1);
    assert_eq!((before, processes("aal2-challenge")), (1, 1));
    assert!(
        app.log()
            .iter()
            .all(|line| !line.contains(&new) && !line.contains(&old))
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_previous_webhook_key_counts_until_its_end() {
    let app = TestApp::start().await;
    let old_key = app.stand_in().webhook_key();
    let old = signed(&app, "old");
    let new_key = app.stand_in().rotate_webhook_key();
    let end = clock::now().plus(Duration::from_secs(2));
    let keys = json!({ "current": new_key, "previous": old_key, "previousUntil": end.to_string() });
    app.store_webhook_keys(&keys).await;
    // The clock decides, and not another look at the secret.
    until("the old key is refused", async || {
        (send(&app, &old).await == 401).then_some(())
    })
    .await;
    assert!(clock::now() >= end, "refused before its end");
    assert_eq!(send(&app, &signed(&app, "new")).await, 200);

    // One that nobody gave an end does not count.
    app.store_webhook_keys(&json!({ "current": new_key, "previous": old_key }))
        .await;
    assert_eq!(send(&app, &old).await, 401);
    app.end().await;
}

/// What needs the API key does not start before it is stored, and then by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_holds_nothing_yet_stops_the_function_by_name() {
    let app = TestApp::with(|options| options.set_up = false).await;
    let nora = app.person("nora", "Jane");
    assert_eq!(nora.link().await.status, 500);
    let said = "secret of METRIPORT_API_KEY_SECRET: does not exist, or holds nothing yet";
    assert!(
        app.log().iter().any(|line| line.contains(said)),
        "{}",
        app.log().join("\n")
    );
    app.store_secret(API_KEY, app.stand_in().api_key()).await;
    until("the person is linked", async || {
        (nora.link().await.status == 200).then_some(())
    })
    .await;

    app.store_secret("ias-OwnerKeySecret", "CANARY0short").await;
    assert!(app.sandbox().host().kill("network-query").await);
    assert_eq!(
        nora.app.get("/v1/network-queries").await.expect("an answer").status,
        500
    );
    let said = "secret of OWNER_KEY_SECRET: the owner key is shorter than 32 bytes";
    assert!(
        app.log().iter().any(|line| line.contains(said)),
        "{}",
        app.log().join("\n")
    );
    assert!(app.log().iter().all(|line| !line.contains("CANARY0short")));
    app.break_off().await;
}

/// The function does not start, and says which secret it is and what is wrong with it, but not what it holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_secret_without_a_key_stops_the_function_by_name() {
    let app = TestApp::start().await;
    let event = signed(&app, "m-1");
    let good = json!({ "current": app.stand_in().webhook_key() }).to_string();
    let text = |text: &str| text.as_bytes().to_vec();
    for (bytes, is_text, problem) in [
        (text(CANARY), true, r#"is not JSON like {"current": "..."}"#),
        (
            text(&json!({ "previous": CANARY }).to_string()),
            true,
            "is not JSON like",
        ),
        (
            text(&json!({ "current": " ", "previous": CANARY }).to_string()),
            true,
            "holds no current webhook key",
        ),
        (
            text(&json!({ "current": CANARY, "previousUntil": CANARY }).to_string()),
            true,
            "says until when the previous webhook key counts, but not",
        ),
        (text(" \n"), true, "is empty"),
        (text(&good), false, "is binary; it must be text"),
    ] {
        match is_text {
            true => app.store_secret(WEBHOOK_KEYS, &String::from_utf8_lossy(&bytes)).await,
            false => app.store_binary_secret(WEBHOOK_KEYS, &bytes).await,
        }
        assert!(app.sandbox().host().kill("webhook-intake").await);
        let said = format!("secret of WEBHOOK_KEYS_SECRET: {problem}");
        until(&format!("it says: {said}"), async || {
            let refused = send(&app, &event).await;
            assert!((500..600).contains(&refused), "{refused}");
            app.log()
                .iter()
                .any(|line| {
                    let line = line.replace('\\', "");
                    line.contains(r#""level":"ERROR","message":"init failed""#) && line.contains(&said)
                })
                .then_some(())
        })
        .await;
        let failures = app.sandbox().host().init_failures();
        let failed: Vec<_> = failures.iter().map(|failure| failure.function.as_str()).collect();
        assert_eq!(failed, ["webhook-intake"]);
    }
    // One key, two, and white space around them, as it comes from a file or a pipe.
    for keys in [
        good.clone(),
        format!("{good}\n"),
        good.replace("\"}", "\\n\", \"previous\": \"\"}"),
    ] {
        app.store_secret(WEBHOOK_KEYS, &keys).await;
        assert!(app.sandbox().host().kill("webhook-intake").await);
        until("the function starts again", async || {
            (send(&app, &event).await == 200).then_some(())
        })
        .await;
    }
    assert!(app.log().iter().all(|line| !line.contains(CANARY)));
    assert_eq!(
        serde_json::from_str::<Value>(&good).unwrap()["current"],
        app.stand_in().webhook_key()
    );
    app.end().await;
}
