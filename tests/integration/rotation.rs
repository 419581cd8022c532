//! Keys that are rotated while the functions run, and secrets without a usable key.

use std::time::Duration;

use sandbox_metriport::Operation;
use serde_json::{Value, json};
use shared::clock;

use crate::harness::{TestApp, until};

const API_KEY: &str = "ias-MetriportApiKeySecret";
const WEBHOOK_KEYS: &str = "ias-WebhookKeysSecret";
/// A text that the log must not contain.
const CANARY: &str = "CANARY0webhook0key";

/// The body of an event of an unhandled kind, and its signature with the stand-in's current key.
fn signed(app: &TestApp, message: &str) -> (String, String) {
    let body = json!({ "meta": { "messageId": message, "type": "rotation.test" } }).to_string();
    let signature = app.stand_in().sign(body.as_bytes());
    (body, signature)
}

async fn send(app: &TestApp, (body, signature): &(String, String)) -> u16 {
    let sent = app.stand_in().send_raw(body.clone(), Some(signature)).await;
    sent.expect("an answer")
}

/// Metriport allows two API keys at once. The test stores the second and revokes the first; processes must not restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn revoked_api_key_is_replaced_without_a_deployment() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let old = app.stand_in().api_key().to_owned();
    let new = app.stand_in().make_api_key().expect("a second key");
    app.store_secret(API_KEY, &new).await;
    let processes = |function| app.processes(function).len();
    nora.pass_challenge().await;
    let before = processes("aal2-challenge");

    assert!(app.stand_in().revoke_api_key(&old));
    let pull = nora.pull().await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
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
async fn previous_webhook_key_counts_until_its_end() {
    let app = TestApp::start().await;
    let old_key = app.stand_in().webhook_key();
    let old = signed(&app, "old");
    let new_key = app.stand_in().rotate_webhook_key();
    let end = clock::now().plus(Duration::from_secs(2));
    let keys = json!({ "current": new_key, "previous": old_key, "previousUntil": end.to_string() });
    app.store_webhook_keys(&keys).await;
    // The clock decides when the key ends, without another read of the secret.
    until("the old key is refused", async || {
        (send(&app, &old).await == 401).then_some(())
    })
    .await;
    assert!(clock::now() >= end, "refused before its end");
    assert_eq!(send(&app, &signed(&app, "new")).await, 200);

    // A previous key without an end does not count.
    app.store_webhook_keys(&json!({ "current": new_key, "previous": old_key }))
        .await;
    assert_eq!(send(&app, &old).await, 401);
    app.end().await;
}

/// A function that needs the API key cannot start before the key is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_secret_stops_the_function_by_name() {
    let app = TestApp::with(|options| options.set_up = false).await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 500);
    let problem = "secret of METRIPORT_API_KEY_SECRET: does not exist or has no value yet";
    assert!(
        app.log().iter().any(|line| line.contains(problem)),
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
    let problem = "secret of OWNER_KEY_SECRET: the owner key is shorter than 32 bytes";
    assert!(
        app.log().iter().any(|line| line.contains(problem)),
        "{}",
        app.log().join("\n")
    );
    assert!(app.log().iter().all(|line| !line.contains("CANARY0short")));
    app.break_off().await;
}

/// A secret's content.
enum Stored {
    Text(String),
    Binary(Vec<u8>),
}

impl Stored {
    fn text(text: impl ToString) -> Self {
        Self::Text(text.to_string())
    }
}

/// Stores the secret of the webhook keys; the next webhook starts a new process.
async fn store_webhook_secret(app: &TestApp, secret: &Stored) {
    match secret {
        Stored::Text(text) => app.store_secret(WEBHOOK_KEYS, text).await,
        Stored::Binary(bytes) => app.store_binary_secret(WEBHOOK_KEYS, bytes).await,
    }
    assert!(app.sandbox().host().kill("webhook-intake").await);
}

/// A secret with only the current key.
fn good_keys(app: &TestApp) -> String {
    json!({ "current": app.stand_in().webhook_key() }).to_string()
}

/// Secrets without a usable key, each with the problem that the function names.
fn useless_secrets(good: &str) -> [(Stored, &'static str); 6] {
    [
        (Stored::text(CANARY), r#"is not JSON like {"current": "..."}"#),
        (Stored::text(json!({ "previous": CANARY })), "is not JSON like"),
        (
            Stored::text(json!({ "current": " ", "previous": CANARY })),
            "holds no current webhook key",
        ),
        (
            Stored::text(json!({ "current": CANARY, "previousUntil": CANARY })),
            "has a previousUntil that is not an ISO 8601 time",
        ),
        (Stored::text(" \n"), "is empty"),
        (Stored::Binary(good.as_bytes().to_vec()), "is binary; it must be text"),
    ]
}

async fn until_started(app: &TestApp, event: &(String, String)) {
    until("the function starts again", async || {
        (send(app, event).await == 200).then_some(())
    })
    .await;
}

/// The function does not start. It logs the name of the secret and the problem, but not the content.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_secret_without_a_key_stops_the_function_by_name() {
    let app = TestApp::start().await;
    let (event, good) = (signed(&app, "m-1"), good_keys(&app));
    for (secret, problem) in useless_secrets(&good) {
        store_webhook_secret(&app, &secret).await;
        until_init_fails(&app, &event, problem).await;
        let failures = app.sandbox().host().init_failures();
        let failed: Vec<_> = failures.iter().map(|failure| failure.function.as_str()).collect();
        assert_eq!(failed, ["webhook-intake"]);
    }
    store_webhook_secret(&app, &Stored::Text(good)).await;
    until_started(&app, &event).await;
    assert!(app.log().iter().all(|line| !line.contains(CANARY)));
    app.end().await;
}

/// Sends an event until `webhook-intake` has logged this problem of its secret. Each attempt must get a 5xx.
async fn until_init_fails(app: &TestApp, event: &(String, String), problem: &str) {
    let message = format!("secret of WEBHOOK_KEYS_SECRET: {problem}");
    until(&format!("it says: {message}"), async || {
        let refused = send(app, event).await;
        assert!((500..600).contains(&refused), "{refused}");
        app.log()
            .iter()
            .any(|line| {
                let line = line.replace('\\', "");
                line.contains(r#""level":"ERROR","message":"init failed""#) && line.contains(&message)
            })
            .then_some(())
    })
    .await;
}

/// A secret that comes from a file or a pipe can end with a line break, and so can the key in it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn white_space_and_an_empty_previous_key_are_accepted() {
    let app = TestApp::start().await;
    let (event, good) = (signed(&app, "m-1"), good_keys(&app));
    store_webhook_secret(&app, &Stored::text(" \n")).await;
    until_init_fails(&app, &event, "is empty").await;
    for keys in [
        good.clone(),
        format!("{good}\n"),
        good.replace("\"}", "\\n\", \"previous\": \"\"}"),
    ] {
        store_webhook_secret(&app, &Stored::Text(keys)).await;
        until_started(&app, &event).await;
    }
    assert_eq!(
        serde_json::from_str::<Value>(&good).unwrap()["current"],
        app.stand_in().webhook_key()
    );
    app.end().await;
}
