//! `Idempotency-Key`: a repeated POST has its effect once. This file tests refusals and keys. Its modules test
//! concurrent requests, and processes that die.

mod at_once;
mod crashes;

use sandbox_machine::app::{App, Reply};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::{Failure, Operation};
use serde_json::json;

use crate::harness::{Person, TestApp, refused, until};
use crate::template::stack;

/// Whether a reply is the stored reply of an earlier request.
fn is_replay(reply: &Reply) -> bool {
    reply
        .headers
        .get("idempotency-replayed")
        .is_some_and(|value| value == "true")
}

/// Checks that the second reply equals the first, and is marked as repeated.
#[track_caller]
fn assert_same(first: &Reply, second: &Reply) {
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert!(!is_replay(first) && is_replay(second), "{:?}", second.headers);
    for name in ["content-type", "cache-control"] {
        assert_eq!(second.headers.get(name), first.headers.get(name), "{name}");
    }
}

async fn identity_session(app: &App) -> Reply {
    app.open_identity_session(IDENTITY_RETURN).await.expect("an answer")
}

async fn challenge(app: &App) -> Reply {
    app.open_challenge(AAL2_RETURN).await.expect("an answer")
}

async fn record(app: &App, form: &str) -> Reply {
    app.ask_record(&json!({ "conversionType": form }))
        .await
        .expect("an answer")
}

async fn unlimited() -> TestApp {
    TestApp::with(|options| options.stand_in.rate_limits = false).await
}

async fn verified(app: &TestApp, subject: &str) -> Person {
    let person = app.person(subject, "Jane").await;
    person.verify_identity().await;
    person
}

#[test]
fn functions_end_before_the_lease_of_a_key() {
    let posts = |route: &sandbox_host::template::Route| route.method == "POST" && route.authorizer.is_some();
    let lease = shared::domain::Timing::default().idempotency_lease();
    let functions = stack()
        .functions
        .into_iter()
        .filter(|function| function.routes.iter().any(posts));
    let timeouts: Vec<_> = functions.map(|function| function.timeout_secs).collect();
    assert_eq!(timeouts.len(), 5);
    assert!(
        timeouts.iter().all(|timeout| timeout + 5 <= lease.as_secs()),
        "{timeouts:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_request_gets_the_same_reply() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let keyed = nora.app.with_key("\"identity-1\"");
    let first = identity_session(&keyed).await;
    assert_eq!(first.status, 201, "{:?}", first.body);
    // The key is the same with and without quotes.
    assert_same(&first, &identity_session(&nora.app.with_key("identity-1")).await);
    assert_eq!(app.upstream(Operation::CreateIdentitySession), 1);
    // Both replies have the same link, and the link works.
    nora.browser
        .pass(&first.text("/sessionUrl"))
        .await
        .expect("the identity page");
    nora.until_identity("verified").await;

    let keyed = nora.app.with_key("challenge-1");
    let first = challenge(&keyed).await;
    assert_same(&first, &challenge(&keyed).await);
    assert_eq!(app.upstream(Operation::CreateChallenge), 1);

    let (passed, keyed) = (nora.pass_challenge().await, nora.app.with_key("query-1"));
    let first = keyed.start_query(&passed.ask_of(&["lab"])).await.unwrap();
    assert_eq!(first.status, 202, "{:?}", first.body);
    assert_same(&first, &keyed.start_query(&passed.ask_of(&["lab"])).await.unwrap());
    let ended = nora.until_ended(&first.text("/id")).await;
    assert_eq!(ended.text("/status"), "completed");
    // The reply is the stored one, so it does not show the current state.
    assert_same(&first, &keyed.start_query(&passed.ask_of(&["lab"])).await.unwrap());
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 1);

    let (before, keyed) = (
        nora.records().await.list("/records").len(),
        nora.app.with_key("record-1"),
    );
    app.stand_in().hold_webhooks();
    let first = record(&keyed, "json").await;
    assert_eq!(first.status, 202, "{:?}", first.body);
    assert_same(&first, &record(&keyed, "json").await);
    assert_eq!(nora.records().await.list("/records").len(), before + 1);
    // Without a key, an equal request gets the unfinished record, and a different request gets another record.
    assert_eq!(record(&nora.app, "json").await.text("/id"), first.text("/id"));
    assert_ne!(record(&nora.app, "pdf").await.text("/id"), first.text("/id"));
    app.until_held("medical.consolidated-data", 1).await;
    app.stand_in().release_all().await;
    nora.until_record(&first.text("/id")).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_belongs_to_one_request_of_one_person() {
    let app = unlimited().await;
    let (nora, omar) = tokio::join!(verified(&app, "nora"), verified(&app, "omar"));
    let (passed, keyed) = (nora.pass_challenge().await, nora.app.with_key("one"));
    let first = keyed.start_query(&passed.ask_of(&["lab"])).await.unwrap();
    assert_eq!(first.status, 202, "{:?}", first.body);
    let opened = || app.upstream(Operation::CreateChallenge) + app.upstream(Operation::CreateIdentitySession);
    let before = opened();
    let mut session = passed.ask_of(&["lab"]);
    session.session = Some("aal2_another".to_owned());
    let mut none = passed.ask_of(&["lab"]);
    none.session = None;
    for other in [
        keyed.start_query(&passed.ask_of(&["hie"])).await.unwrap(),
        keyed.start_query(&session).await.unwrap(),
        keyed.start_query(&none).await.unwrap(),
        challenge(&keyed).await,
        identity_session(&keyed).await,
        record(&keyed, "json").await,
    ] {
        refused(&other, 422, "idempotency_key_reused", "fix_request");
    }
    assert_eq!(opened(), before);
    assert_eq!(nora.until_ended(&first.text("/id")).await.text("/status"), "completed");
    assert_same(&first, &keyed.start_query(&passed.ask_of(&["lab"])).await.unwrap());
    // The same key of another person is another key.
    let (theirs, keyed) = (omar.pass_challenge().await, omar.app.with_key("one"));
    let other = keyed.start_query(&theirs.ask_of(&["lab"])).await.unwrap();
    assert_eq!(other.status, 202, "{:?}", other.body);
    assert!(!is_replay(&other));
    assert_ne!(other.text("/id"), first.text("/id"));
    assert_eq!(omar.until_ended(&other.text("/id")).await.text("/status"), "completed");
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 2);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_without_effect_leaves_the_key_free() {
    let app = unlimited().await;
    let nora = verified(&app, "nora").await;
    app.stand_in().hold_webhooks();
    let open = nora.start_from(&["lab"]).await;
    let (passed, keyed) = (nora.pass_challenge().await, nora.app.with_key("two"));
    let ask = passed.ask_of(&["lab"]);
    let refusal = keyed.start_query(&ask).await.unwrap();
    refused(&refusal, 409, "network_query_open", "list_network_queries");
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&open).await.text("/status"), "completed");
    let accepted = keyed.start_query(&ask).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    assert!(!is_replay(&accepted));
    assert_eq!(
        nora.until_ended(&accepted.text("/id")).await.text("/status"),
        "completed"
    );

    // A corrected request may use the key of the refused request.
    let keyed = nora.app.with_key("mended");
    refused(
        &record(&keyed, "parchment").await,
        400,
        "invalid_request",
        "fix_request",
    );
    assert_eq!(record(&keyed, "pdf").await.status, 202);

    // After a failure of Metriport, the key stays with its request: the request may be retried, but another request is
    // refused.
    let keyed = nora.app.with_key("busy");
    for (failure, status, code) in [
        (Failure::envelope(500, "", ""), 504, "upstream_outcome_unknown"),
        (Failure::envelope(429, "", ""), 429, "upstream_busy"),
    ] {
        app.stand_in().fail_next(Operation::CreateChallenge, failure);
        refused(&challenge(&keyed).await, status, code, "retry");
        refused(
            &record(&keyed, "json").await,
            422,
            "idempotency_key_reused",
            "fix_request",
        );
    }
    let opened = challenge(&keyed).await;
    assert_eq!(opened.status, 201, "{:?}", opened.body);
    assert_same(&opened, &challenge(&keyed).await);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn final_refusal_is_stored_and_replayed() {
    let app = unlimited().await;
    let nora = verified(&app, "nora").await;
    let passed = nora.pass_challenge().await;
    let ask = passed.ask_of(&["lab"]);
    let accepted = nora.app.start_query(&ask).await.unwrap();
    assert_eq!(
        nora.until_ended(&accepted.text("/id")).await.text("/status"),
        "completed"
    );
    let keyed = nora.app.with_key("too-late");
    let first = keyed.start_query(&ask).await.unwrap();
    refused(&first, 409, "challenge_not_pending", "open_challenge");
    assert_same(&first, &keyed.start_query(&ask).await.unwrap());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reply_with_an_expired_link_is_not_replayed() {
    let app = TestApp::with(|options| {
        options.stand_in.rate_limits = false;
        options.stand_in.session_ttl_secs = 3;
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let keyed = nora.app.with_key("link");
    let first = identity_session(&keyed).await;
    assert_same(&first, &identity_session(&keyed).await);
    let spent = until("the link has expired", async || {
        let reply = identity_session(&keyed).await;
        (reply.status != 201).then_some(reply)
    })
    .await;
    refused(&spent, 422, "idempotency_key_spent", "fix_request");
    assert_eq!(app.upstream(Operation::CreateIdentitySession), 1);
    let anew = identity_session(&nora.app.with_key("link-2")).await;
    assert_eq!(anew.status, 201, "{:?}", anew.body);
    assert_ne!(anew.text("/sessionUrl"), first.text("/sessionUrl"));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_key_is_refused_before_any_effect() {
    let app = unlimited().await;
    let nora = verified(&app, "nora").await;
    let passed = nora.pass_challenge().await;
    let before = app.snapshot().await;
    let long = "k".repeat(256);
    for key in ["", "two words", "\"unended", "\"a\"; p=1", "a, b", &long] {
        let keyed = nora.app.with_key(key);
        for reply in [
            identity_session(&keyed).await,
            challenge(&keyed).await,
            keyed.start_query(&passed.ask()).await.unwrap(),
            record(&keyed, "json").await,
        ] {
            refused(&reply, 400, "idempotency_key_malformed", "fix_request");
        }
    }
    // API Gateway joins the two headers into one list.
    let twice = nora
        .app
        .with_key("a")
        .request(reqwest::Method::POST, "/v1/aal2-challenges");
    let twice = twice
        .header("idempotency-key", "b")
        .json(&json!({ "redirectUrl": AAL2_RETURN }));
    refused(
        &sandbox_machine::app::reply(twice).await.unwrap(),
        400,
        "idempotency_key_malformed",
        "fix_request",
    );
    assert_eq!(app.snapshot().await, before);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_is_neither_stored_nor_logged() {
    const CANARY: &str = "CanaryKey-73a1";
    let app = TestApp::with(|options| {
        options.stand_in.rate_limits = false;
        options.extra_env.push(("LOG_LEVEL".to_owned(), "trace".to_owned()));
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let (keyed, malformed) = (
        nora.app.with_key(CANARY),
        nora.app.with_key(&format!("{CANARY} {CANARY}")),
    );
    let first = identity_session(&keyed).await;
    assert_same(&first, &identity_session(&keyed).await);
    refused(
        &record(&keyed, "json").await,
        422,
        "idempotency_key_reused",
        "fix_request",
    );
    let reply = identity_session(&malformed).await;
    refused(&reply, 400, "idempotency_key_malformed", "fix_request");
    assert!(!reply.body.to_string().contains(CANARY));
    let log = until("the functions have logged", async || {
        let log = app.log();
        let is_logged = |text: &str| log.iter().any(|line| line.contains(text));
        (is_logged("idempotency_key_malformed") && is_logged("replayed the stored reply")).then_some(log)
    })
    .await;
    assert!(log.iter().all(|line| !line.contains(CANARY)));
    // The log does not hold the stored reply's link either.
    let link = first.text("/sessionUrl");
    let secret = link.rsplit('/').next().unwrap_or_default();
    assert!(
        secret.len() > 8 && log.iter().all(|line| !line.contains(secret)),
        "{link}"
    );
    let keys: Vec<_> = app
        .table()
        .await
        .into_iter()
        .filter(|item| item["sk"].to_string().contains("IDEMPOTENCY#"))
        .collect();
    assert_eq!(keys.len(), 1, "one key, in one person's partition");
    assert!(keys[0]["pk"].to_string().contains("OWNER#") && keys[0]["ttl"].is_number());
    assert!(!app.table_text().await.contains(CANARY));
    app.end().await;
}
