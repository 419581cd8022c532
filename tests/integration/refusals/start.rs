//! The start of a network query is refused, lost, or answered unreadably. `query-dispatch` sends it only once.

use sandbox_machine::app::Reply;
use sandbox_metriport::{Failure, Operation};

use crate::harness::{Person, TestApp, refused, until};

/// Makes a pull whose start fails in this way, and returns the ended pull.
async fn pull_with(app: &TestApp, person: &Person, failure: Failure) -> Reply {
    let starts = app.upstream(Operation::StartNetworkQuery);
    app.stand_in().fail_next(Operation::StartNetworkQuery, failure);
    let passed = person.pass_challenge().await;
    let accepted = person.app.start_query(&passed.ask()).await.expect("an answer");
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let pull = person.until_ended(&accepted.text("/id")).await;
    app.drain().await;
    assert_eq!(
        app.upstream(Operation::StartNetworkQuery),
        starts + 1,
        "{:?}",
        pull.body
    );
    assert!(
        !app.table_text().await.contains(&passed.session),
        "the AAL2 session is still stored"
    );
    pull
}

fn ended(pull: &Reply, status: &str, reason: &str, action: &str) {
    let is = (pull.text("/status"), pull.text("/reason"), pull.text("/next/action"));
    assert_eq!(
        (is.0.as_str(), is.1.as_str(), is.2.as_str()),
        (status, reason, action),
        "{:?}",
        pull.body
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_start_fails_the_pull_and_frees_the_patient() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    for (failure, reason) in [
        (Failure::envelope(400, "BadRequestError", "CANARY"), "upstream_refused"),
        (
            Failure::envelope(400, "PatientOptedOutError", "CANARY"),
            "upstream_refused",
        ),
        (
            Failure::envelope(401, "UnauthorizedError", "AAL2 session CANARY has expired"),
            "aal2_session_rejected",
        ),
        (
            Failure::envelope(403, "ForbiddenError", "CANARY"),
            "aal2_session_rejected",
        ),
    ] {
        let pull = pull_with(&app, &nora, failure).await;
        ended(&pull, "failed", reason, "open_challenge");
        assert!(pull.list("/records").is_empty(), "{:?}", pull.body);
        assert_eq!(nora.identity().await, "verified");
    }
    assert!(
        app.log().iter().all(|line| !line.contains("CANARY")),
        "upstream's words are in the log"
    );
    let pull = nora.pull_hie().await;
    ended(&pull, "completed", "", "read_record");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_refused_for_its_identity_asks_for_proofing_again() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;
    assert!(app.stand_in().deactivate_identity(&app.proofed_identity("nora").await));
    let accepted = nora.app.start_query(&passed.ask()).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let pull = nora.until_ended(&accepted.text("/id")).await;
    ended(&pull, "failed", "identity_rejected", "verify_identity");
    until("the identity is no longer verified", async || {
        (nora.identity().await != "verified").then_some(())
    })
    .await;
    assert_eq!(
        nora.app.identity().await.unwrap().text("/next/action"),
        "verify_identity"
    );
    let challenge = nora
        .app
        .open_challenge(sandbox_machine::sandbox::AAL2_RETURN)
        .await
        .unwrap();
    refused(&challenge, 409, "identity_not_verified", "verify_identity");
    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    let pull = nora.pull_hie().await;
    ended(&pull, "completed", "", "read_record");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_with_a_lost_answer_is_proved_by_its_webhooks() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    for failure in [Failure::ResetAfterEffect, Failure::Garbage] {
        let pull = pull_with(&app, &nora, failure).await;
        ended(&pull, "completed", "", "read_record");
        assert_eq!(nora.final_record(&pull).await.text("/status"), "available");
        let codes = nora.codes(&pull.text("/id")).await;
        assert!(codes.contains(&"source_reported".to_owned()), "{codes:?}");
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unproved_start_ends_unconfirmed_and_is_never_repeated() {
    let app = TestApp::with(|options| options.time_scale = 100).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let id = lose_start(&app, &nora).await;
    assert_eq!(nora.read_pull(&id).await.text("/status"), "starting");
    // The first network query may be running. So the second pull is refused, and its challenge is not used up.
    let second = nora.pass_challenge().await;
    refused(
        &nora.app.start_query(&second.ask()).await.unwrap(),
        409,
        "network_query_open",
        "list_network_queries",
    );
    reconcile_until_unconfirmed(&app, &nora, &id).await;

    let accepted = nora.app.start_query(&second.ask_of(&["hie"])).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let pull = nora.until_ended(&accepted.text("/id")).await;
    ended(&pull, "completed", "", "read_record");
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 2);
    app.end().await;
}

/// Asks for a pull whose start is lost on its way to Metriport. Returns the pull's id once the timeline shows the loss.
async fn lose_start(app: &TestApp, nora: &Person) -> String {
    let passed = nora.pass_challenge().await;
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, Failure::ResetBeforeEffect);
    let accepted = nora.app.start_query(&passed.ask()).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let id = accepted.text("/id");
    until("the start was lost", async || {
        nora.codes(&id)
            .await
            .contains(&"start_unknown".to_owned())
            .then_some(())
    })
    .await;
    id
}

async fn reconcile_until_unconfirmed(app: &TestApp, nora: &Person, id: &str) {
    let pull = until("the pull has ended", async || {
        app.reconcile().await;
        let pull = nora.read_pull(id).await;
        (pull.text("/next/action") != "wait").then_some(pull)
    })
    .await;
    ended(&pull, "unconfirmed", "start_unknown", "open_challenge");
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 1);
    assert_eq!(app.upstream(Operation::StartConsolidatedQuery), 1);
    let records = pull.list("/records");
    assert_eq!(
        (records.len(), &records[0]["phase"]),
        (1, &serde_json::json!("final")),
        "{:?}",
        pull.body
    );
}
