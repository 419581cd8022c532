//! An identity session, a challenge and an AAL2 session count only for their own person, and only in time. An AAL2
//! session serves one pull.

mod late;

use sandbox_machine::app::{QueryAsk, Reply};
use sandbox_machine::sandbox::AAL2_RETURN;
use sandbox_metriport::{Failure, Operation, Replay};
use serde_json::{Value, json};

use crate::harness::{Passed, Person, TestApp, refused, until};

fn crossed(challenge: &Passed, session: &Passed) -> QueryAsk {
    QueryAsk::everything(&challenge.challenge, &session.session)
}

async fn ask(person: &Person, ask: &QueryAsk) -> Reply {
    person.app.start_query(ask).await.expect("an answer")
}

async fn completes(person: &Person, passed: &Passed) {
    let accepted = ask(person, &passed.ask_of(&["hie"])).await;
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let pull = person.until_ended(&accepted.text("/id")).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_serves_one_pull_and_is_kept_by_a_refusal() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let first = nora.pass_challenge().await;
    completes(&nora, &first).await;

    let starts = app.upstream(Operation::StartNetworkQuery);
    let second = nora.pass_challenge().await;
    refused(
        &ask(&nora, &first.ask()).await,
        409,
        "challenge_not_pending",
        "open_challenge",
    );
    refused(
        &ask(&nora, &crossed(&second, &first)).await,
        409,
        "aal2_session_used",
        "open_challenge",
    );
    let third = nora.pass_challenge().await;
    // The third challenge supersedes the second, although the person passed both.
    refused(
        &ask(&nora, &second.ask()).await,
        409,
        "challenge_not_pending",
        "open_challenge",
    );
    app.drain().await;
    assert_eq!(app.upstream(Operation::StartNetworkQuery), starts);
    completes(&nora, &third).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn challenge_of_another_person_is_refused_and_stays_usable() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    tokio::join!(nora.verify_identity(), mira.verify_identity());
    let spent = nora.pass_challenge().await;
    completes(&nora, &spent).await;

    let (of_nora, of_mira) = (nora.pass_challenge().await, mira.pass_challenge().await);
    for (wrong, code) in [
        (of_nora.ask(), "challenge_not_pending"),
        (crossed(&of_nora, &of_mira), "challenge_not_pending"),
        (crossed(&of_mira, &spent), "aal2_session_used"),
    ] {
        refused(&ask(&mira, &wrong).await, 409, code, "open_challenge");
    }
    completes(&nora, &of_nora).await;
    completes(&mira, &of_mira).await;

    // Before its first use, only Metriport knows to whom an AAL2 session belongs. An accepted request uses the session
    // up.
    let (of_nora, of_mira) = (nora.pass_challenge().await, mira.pass_challenge().await);
    let accepted = ask(&mira, &crossed(&of_mira, &of_nora)).await;
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let pull = mira.until_ended(&accepted.text("/id")).await;
    assert_eq!(
        (pull.text("/status").as_str(), pull.text("/reason").as_str()),
        ("failed", "aal2_session_rejected")
    );
    assert_eq!(pull.text("/next/action"), "open_challenge");
    assert_eq!(
        mira.identity().await,
        "verified",
        "the session was foreign, not the identity"
    );
    refused(
        &ask(&nora, &of_nora.ask()).await,
        409,
        "aal2_session_used",
        "open_challenge",
    );
    let again = nora.pass_challenge().await;
    completes(&nora, &again).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn throttled_start_is_retried_and_its_session_then_removed() {
    let app = TestApp::with(|options| options.time_scale = 60).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;
    let busy = Failure::envelope(429, "TooManyRequestsError", "Too many requests");
    app.stand_in().fail_next(Operation::StartNetworkQuery, busy);
    let accepted = ask(&nora, &passed.ask()).await;
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let id = accepted.text("/id");

    until("the first start was refused", async || {
        nora.codes(&id)
            .await
            .contains(&"start_deferred".to_owned())
            .then_some(())
    })
    .await;
    // The retry needs the session, so the table holds it. This also shows that the search below can find it.
    assert!(app.table_text().await.contains(&passed.session));

    until("the query runs", async || {
        nora.codes(&id).await.contains(&"started".to_owned()).then_some(())
    })
    .await;
    assert!(
        !app.table_text().await.contains(&passed.session),
        "the session is still stored"
    );
    let pull = nora.until_ended(&id).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 2);
    app.drain().await;
    assert!(!app.table_text().await.contains(&passed.session));
    assert!(
        app.log().iter().all(|line| !line.contains(&passed.session)),
        "the session is in the log"
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn superseded_or_foreign_proofing_never_counts() {
    let app = TestApp::start().await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    assert_eq!((nora.link().await.status, mira.link().await.status), (200, 200));
    // Nora's two identity sessions are for different demographics.
    let stale = nora.open_identity().await;
    change_last_name(&nora).await;
    let current = nora.open_identity().await;
    let of_mira = mira.open_identity().await;

    nora.browser.pass(&stale.text("/sessionUrl")).await.expect("the page");
    app.until_delivered("ias.identity.verified", 1).await;
    assert_eq!(nora.identity().await, "pending", "a superseded session was bound");
    let [stale, of_nora, of_mira] = [&stale, &current, &of_mira].map(|page| page.text("/sessionId"));
    send_forged_proofings(&app, &stale, &of_nora, &of_mira).await;
    assert_eq!(
        (nora.identity().await, mira.identity().await),
        ("pending".to_owned(), "pending".to_owned())
    );
    assert!(!app.table_text().await.contains("pid_of_nobody"));

    nora.browser.pass(&current.text("/sessionUrl")).await.expect("the page");
    nora.until_identity("verified").await;
    assert_eq!(mira.identity().await, "pending");
    // Metriport delivers the event of the superseded session again, after an identity was bound. The identity must not
    // change.
    let bound = app.proofed_identity("nora").await;
    deliver_first_proofing_again(&app).await;
    assert_eq!(app.proofed_identity("nora").await, bound);
    let pull = nora.pull_hie().await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    app.end().await;
}

async fn change_last_name(nora: &Person) {
    let mut changed = nora.demographics().clone();
    changed["lastName"] = json!("Quillon");
    assert_eq!(nora.app.put_patient(&changed).await.unwrap().status, 200);
}

/// Sends identity webhooks whose session and patient do not match, and webhooks of a superseded and an unknown session.
async fn send_forged_proofings(app: &TestApp, stale: &str, of_nora: &str, of_mira: &str) {
    let (patient_of_nora, patient_of_mira) = (app.patient_of("nora").await, app.patient_of("mira").await);
    for (message, session, patient) in [
        ("m-1", of_nora, &patient_of_mira),
        ("m-2", of_mira, &patient_of_nora),
        ("m-3", stale, &patient_of_nora),
        ("m-4", "ids_unknown", &patient_of_nora),
    ] {
        let forged = json!({
            "meta": { "messageId": message, "when": "2026-01-01T00:00:00.000Z", "type": "ias.identity.verified" },
            "payload": { "sessionId": session, "patientId": patient, "proofedIdentityId": "pid_of_nobody" },
        });
        assert_eq!(app.send_signed(&forged).await, 200);
    }
    app.drain().await;
}

async fn deliver_first_proofing_again(app: &TestApp) {
    let log = app.stand_in().deliveries();
    let first = log
        .iter()
        .find(|delivery| delivery.event_type == "ias.identity.verified")
        .expect("a delivery");
    let replayed = app.stand_in().deliver_again(&first.message_id, Replay::default());
    assert_eq!(replayed.await, Ok(200));
    app.drain().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proofing_confirmed_after_expiry_still_counts() {
    let app = TestApp::with(|options| {
        options.time_scale = 600;
        options.stand_in.session_ttl_secs = 3;
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    app.stand_in().hold_webhooks();
    nora.pass_identity_page().await;
    nora.until_identity("confirming").await;
    nora.until_identity("expired").await;
    // The person opens another identity session before the webhook arrives. The first session counts nevertheless.
    nora.open_identity().await;
    assert_eq!(app.stand_in().release_all().await, [Ok(200)]);
    nora.until_identity("verified").await;
    assert_eq!(nora.app.open_challenge(AAL2_RETURN).await.unwrap().status, 201);
    app.end().await;
}

/// Metriport can accept the start of a network query although every source refuses the AAL2 session. Then no query has
/// started, and the pull fails as if Metriport had refused the call.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_refused_by_every_source_fails_the_pull() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let body = json!({
        "requestId": "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d", "status": "failed",
        "sources": [{ "type": "hie", "status": "failed" }],
        "errors": [{ "source": "hie", "httpStatus": 401, "message": "The x-aal2-session is not valid" }],
    });
    let refusing = Failure::Status {
        code: 200,
        body: body.to_string(),
        content_type: "application/json".to_owned(),
    };
    app.stand_in().fail_next(Operation::StartNetworkQuery, refusing);
    let pull = nora.pull_hie().await;
    let reason = (pull.text("/status"), pull.text("/reason"), pull.text("/next/action"));
    assert_eq!(
        reason,
        ("failed".into(), "aal2_session_rejected".into(), "open_challenge".into())
    );
    completes(&nora, &nora.pass_challenge().await).await;
    app.end().await;
}

/// A source's outage whose message mentions identities does not reject the person's identity. A requested source that
/// Metriport's answer does not mention counts as running.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn source_outage_leaves_the_identity_verified() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let answer = |sources: Value, errors: Value| {
        let request = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
        let body = json!({ "requestId": request, "status": "processing", "sources": sources, "errors": errors });
        Failure::Status {
            code: 200,
            body: body.to_string(),
            content_type: "application/json".to_owned(),
        }
    };
    let broken = answer(
        json!([{ "type": "hie", "status": "failed" }]),
        json!([{ "source": "hie", "httpStatus": 500, "message": "identity service unavailable" }]),
    );
    let silent = answer(
        json!([]),
        json!([{ "source": "pharmacy", "httpStatus": 403, "message": "forbidden" }]),
    );
    app.stand_in().fail_next(Operation::StartNetworkQuery, broken);
    let pull = nora.until_ended(&nora.start_from(&["hie"]).await).await;
    assert_eq!(pull.text("/status"), "failed", "{:?}", pull.body);
    assert_eq!(pull.text("/reason"), "no_source_answered");
    assert_eq!(nora.identity().await, "verified");

    app.stand_in().fail_next(Operation::StartNetworkQuery, silent);
    let id = nora.start_from(&["hie", "pharmacy"]).await;
    until("the query runs", async || {
        (nora.read_pull(&id).await.text("/status") == "running").then_some(())
    })
    .await;
    app.stop().await;
}
