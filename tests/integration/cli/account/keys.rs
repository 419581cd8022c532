//! The commands that change the webhook key and the API key.

use sandbox_metriport::StandInOptions;

use super::{Operator, STORE_API_KEY};
use crate::harness::TestApp;

const ROTATE_WEBHOOK_KEY: [&str; 5] = ["account", "rotate", "webhook-key", "--window-mins", "10"];
const ROTATE_API_KEY: [&str; 5] = ["account", "rotate", "api-key", "--api-key-file", "-"];

async fn assert_a_pull_completes(app: &TestApp) {
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    assert_eq!(nora.pull().await.text("/status"), "completed");
}

/// Metriport makes the webhook key: in its dashboard, or when the webhook URL is cleared and set again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_key_made_by_metriport_is_stored_by_a_command() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in = StandInOptions {
            clearing_makes_key: true,
            ..options.stand_in.clone()
        };
    })
    .await;
    let mut operator = Operator::of(&app);
    let (status, rotate) = (["account", "status"], ROTATE_WEBHOOK_KEY);
    operator.types(&rotate).await.well(&["nothing to do"]);

    operator.secrets.push(app.stand_in().rotate_webhook_key());
    operator
        .types(&status)
        .await
        .badly(&["Metriport signs with another key"]);
    let rotated = operator.types(&rotate).await;
    rotated.well(&["the previous key is accepted until", "answered with the new key"]);
    let before = app.stand_in().webhook_key();
    let cleared = operator.types(&[&rotate[..], &["--clear-and-set"]].concat()).await;
    cleared.well(&["Cleared", "answered with the new key"]);
    assert_ne!(app.stand_in().webhook_key(), before);
    let looked = operator.types(&status).await;
    looked.well(&["ok   webhook key", "the previous key is accepted until"]);
    assert_a_pull_completes(&app).await;
    app.end().await;
}

/// An account can have a second API key. The command refuses the key of another account.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_key_of_the_same_account_is_changed_by_a_command() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let operator = Operator::of(&app);
    let another = TestApp::with(|options| options.stand_in.seed = 7).await;
    let rotate = async |key: &str| operator.types_with(&ROTATE_API_KEY, &[], key).await;
    let foreign = rotate(another.stand_in().api_key()).await;
    foreign.badly(&["does not accept this API key"]);
    another.end().await;

    let new = app.stand_in().make_api_key().expect("room for a second key");
    let stored = operator.types_with(&STORE_API_KEY, &[], &new).await;
    stored.badly(&["rotate api-key"]);
    rotate(&new).await.well(&["it is stored", "revoke the old key"]);
    rotate(&new).await.well(&["nothing to do"]);
    assert!(app.stand_in().revoke_api_key(app.stand_in().api_key()));
    let looked = operator.types(&["account", "status"]).await;
    looked.well(&["accepts the API key"]);
    assert_a_pull_completes(&app).await;
    app.end().await;
}

/// A secret that cannot be read can hold another account's key, so the command replaces it only with `--replace`. The
/// command fills an empty secret without that option.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_api_key_is_replaced_only_on_demand() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let operator = Operator::of(&app);
    let key = app.stand_in().api_key().to_owned();
    app.store_binary_secret("ias-MetriportApiKeySecret", key.as_bytes())
        .await;
    let binary = operator.types_with(&STORE_API_KEY, &[], &key).await;
    binary.badly(&["is binary"]);
    let replace = [&STORE_API_KEY[..], &["--replace"]].concat();
    let replaced = operator.types_with(&replace, &[], &key).await;
    replaced.well(&["accepts the API key; it is stored"]);
    app.store_secret("ias-MetriportApiKeySecret", "\n").await;
    let filled = operator.types_with(&STORE_API_KEY, &[], &key).await;
    filled.well(&["accepts the API key; it is stored"]);
    app.end().await;
}
