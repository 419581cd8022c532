//! Late AAL2 sessions and late challenges do not start a network query.

use sandbox_machine::app::{QueryAsk, Reply};
use sandbox_machine::sandbox::AAL2_RETURN;
use sandbox_metriport::{Failure, Operation};
use serde_json::Value;

use super::ask;
use crate::harness::{Passed, Person, TestApp, refused, until};

async fn verified(app: &TestApp, subject: &str) -> Person {
    let person = app.person(subject, "Jane").await;
    person.verify_identity().await;
    person
}

/// Checks that a pull failed for this reason, and that the next action is another challenge.
#[track_caller]
fn assert_failed(pull: &Reply, reason: &str) {
    assert_eq!(
        (pull.text("/status").as_str(), pull.text("/reason").as_str()),
        ("failed", reason)
    );
    assert_eq!(pull.text("/next/action"), "open_challenge");
}

/// Whether a failed pull has left neither its lock nor its AAL2 session in the table.
async fn is_free(app: &TestApp, passed: &Passed) -> bool {
    let table = app.table().await;
    let held = table.iter().any(|item| item["sk"] == "OPEN_RUN");
    !held && !Value::Array(table).to_string().contains(&passed.session)
}

/// The AAL2 session ends at Metriport before the network query starts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_ended_upstream_fails_its_pull() {
    let app = TestApp::with(|options| options.stand_in.aal2_ttl_secs = 0).await;
    let eve = verified(&app, "eve").await;
    assert_failed(&eve.pull().await, "aal2_session_rejected");
    assert_eq!(eve.identity().await, "verified");
    app.end().await;
}

/// Metriport throttles every start until the AAL2 session expires on our side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_ending_while_starts_fail_frees_the_patient() {
    let app = TestApp::with(|options| {
        options.time_scale = 100;
        options.stand_in.rate_limits = false;
    })
    .await;
    let lou = verified(&app, "lou").await;
    for _ in 0..20 {
        let busy = Failure::envelope(429, "TooManyRequestsError", "Too many requests");
        app.stand_in().fail_next(Operation::StartNetworkQuery, busy);
    }
    let passed = lou.pass_challenge().await;
    let id = ask(&lou, &passed.ask()).await.text("/id");
    assert_failed(&lou.until_ended(&id).await, "aal2_session_expired");
    let tries = app.upstream(Operation::StartNetworkQuery);
    assert!((2..=6).contains(&tries), "{tries} starts");
    // `query-dispatch` also writes the end: it removes the session and releases the patient's lock.
    until("the pull has ended in the table", async || {
        is_free(&app, &passed).await.then_some(())
    })
    .await;
    assert_eq!(ask(&lou, &lou.pass_challenge().await.ask()).await.status, 202);
    app.end().await;
}

/// The browser returns long after the challenge was opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn challenge_answered_too_late_is_refused() {
    let app = TestApp::with(|options| {
        options.time_scale = 100;
        options.stand_in.session_ttl_secs = 2;
        options.stand_in.aal2_ttl_secs = 0;
    })
    .await;
    let eve = verified(&app, "eve").await;
    let used = eve.pass_challenge().await;
    let pull = ask(&eve, &used.ask()).await.text("/id");
    eve.until_ended(&pull).await;
    let opened = eve.app.open_challenge(AAL2_RETURN).await.unwrap();
    assert_eq!(opened.status, 201, "{:?}", opened.body);
    let challenge = opened.text("/challengeId");

    // `network-query` checks the challenge before the AAL2 session. So a request with a used session shows when the
    // challenge has expired, and changes nothing.
    let with_used_session = QueryAsk::everything(&challenge, &used.session);
    until("the challenge is too old", async || {
        (ask(&eve, &with_used_session).await.code() == "challenge_expired").then_some(())
    })
    .await;
    let late = ask(&eve, &QueryAsk::everything(&challenge, "aal2_late")).await;
    refused(&late, 409, "challenge_expired", "open_challenge");
    app.end().await;
}
