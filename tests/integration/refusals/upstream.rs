//! Metriport refuses, fails or is busy at each call for which the person waits. The reply names the next action, which
//! then succeeds and makes no duplicate at Metriport.

use sandbox_machine::app::Reply;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::{Failure, Operation};
use shared::domain::ProofedIdentityId;
use shared::metriport::{OpenAal2Challenge, RedirectUrl, UpstreamErrorKind};

use crate::harness::{Person, TestApp, refused, retry_after, until};

/// A failure, the expected refusal, and whether the call takes effect nevertheless.
struct Trouble {
    failure: Failure,
    status: u16,
    code: &'static str,
    action: &'static str,
    takes_effect: bool,
}

fn gateway(code: u16, message: &str) -> Failure {
    let body = serde_json::json!({ "message": message }).to_string();
    Failure::Status {
        code,
        body,
        content_type: "application/json".to_owned(),
    }
}

fn troubles() -> Vec<Trouble> {
    let make_trouble = |status, code, action| {
        move |failure| Trouble {
            failure,
            status,
            code,
            action,
            takes_effect: false,
        }
    };
    let refusal = make_trouble(502, "upstream_refused", "contact_support");
    let busy = make_trouble(429, "upstream_busy", "retry");
    let unknown = make_trouble(504, "upstream_outcome_unknown", "retry");
    let html = Failure::Status {
        code: 429,
        body: "Too many requests".to_owned(),
        content_type: "text/html".to_owned(),
    };
    let mut troubles = vec![
        refusal(Failure::envelope(400, "BadRequestError", "CANARY is not accepted")),
        refusal(gateway(403, "Forbidden")),
        refusal(Failure::envelope(409, "BadRequestError", "CANARY")),
        busy(Failure::envelope(429, "TooManyRequestsError", "CANARY")),
        busy(html),
        unknown(Failure::envelope(500, "InternalServerError", "CANARY")),
        unknown(gateway(504, "Endpoint request timed out")),
        unknown(Failure::ResetBeforeEffect),
    ];
    let effective = [Failure::ResetAfterEffect, Failure::Garbage];
    troubles.extend(effective.map(|failure| Trouble {
        takes_effect: true,
        ..unknown(failure)
    }));
    troubles
}

#[track_caller]
fn assert_refused(answer: &Reply, trouble: &Trouble) {
    refused(answer, trouble.status, trouble.code, trouble.action);
    assert!(
        !answer.body.to_string().contains("CANARY"),
        "upstream's words are passed on: {:?}",
        answer.body
    );
    assert_eq!(retry_after(answer) > 0, trouble.action == "retry");
}

/// Sends the demographics until they are accepted. While an unfinished change is open, they are refused.
async fn linked(person: &Person) -> Reply {
    until("the demographics are taken", async || {
        let answer = person.link().await;
        if answer.status == 200 {
            return Some(answer);
        }
        refused(&answer, 409, "patient_changing", "put_patient");
        None
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_is_created_once_despite_any_failure() {
    let app = TestApp::with(|options| {
        options.time_scale = 50;
        options.stand_in.rate_limits = false;
    })
    .await;
    for (index, trouble) in troubles().into_iter().enumerate() {
        let person = app.person(&format!("person-{index}"), "Jane").await;
        let count = || {
            (
                app.upstream(Operation::CreatePatient),
                app.upstream(Operation::UpdatePatient),
            )
        };
        let (creates, updates) = count();
        app.stand_in()
            .fail_next(Operation::CreatePatient, trouble.failure.clone());
        assert_refused(&person.link().await, &trouble);
        let identity = person.app.identity().await.unwrap();
        assert_eq!(
            (&identity.body["patientLinked"], identity.text("/status").as_str()),
            (&false.into(), "not_started")
        );

        assert_eq!(linked(&person).await.text("/status"), "not_started");
        let expected = if trouble.takes_effect {
            (creates + 1, updates + 1)
        } else {
            (creates + 2, updates)
        };
        assert_eq!(count(), expected, "{:?}", trouble.failure);
        assert!(!app.patient_of(&format!("person-{index}")).await.is_empty());
    }
    // After a failed search, the function does not create a patient. A gateway's 404 does not mean that the patient is
    // unknown.
    let person = app.person("unfound", "Jane").await;
    let creates = app.upstream(Operation::CreatePatient);
    app.stand_in()
        .fail_next(Operation::FindPatient, gateway(404, "Not Found"));
    refused(&person.link().await, 502, "upstream_refused", "contact_support");
    assert_eq!(app.upstream(Operation::CreatePatient), creates);
    assert_eq!(linked(&person).await.text("/status"), "not_started");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn update_with_a_lost_answer_is_open_until_it_is_repeated() {
    let app = TestApp::with(|options| options.time_scale = 50).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;
    let mut moved = nora.demographics().clone();
    moved["address"][0]["addressLine1"] = serde_json::json!("12 Elm St");
    app.stand_in()
        .fail_next(Operation::UpdatePatient, Failure::ResetAfterEffect);
    let answer = nora.send("PUT", "/v1/patient", &moved).await;
    refused(&answer, 504, "upstream_outcome_unknown", "retry");

    // Metriport may have other demographics than those for which the identity was verified.
    assert_eq!(nora.identity().await, "patient_changing");
    refused(
        &nora.app.start_query(&passed.ask()).await.unwrap(),
        409,
        "patient_changing",
        "put_patient",
    );
    let session = nora.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
    refused(&session, 409, "patient_changing", "put_patient");

    let updates = app.upstream(Operation::UpdatePatient);
    // The old demographics are sent again, because it is unknown which ones Metriport has. Then the identity is
    // verified again.
    assert_eq!(linked(&nora).await.text("/status"), "verified");
    assert_eq!(app.upstream(Operation::UpdatePatient), updates + 1);
    let accepted = nora.app.start_query(&passed.ask_of(&["hie"])).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    assert_eq!(
        nora.until_ended(&accepted.text("/id")).await.text("/status"),
        "completed"
    );
    app.end().await;
}

/// A 409 whose text mentions an identity, but not the identity of this person.
fn unrelated_refusal(words: &str) -> Trouble {
    Trouble {
        failure: Failure::envelope(409, "BadRequestError", words),
        status: 502,
        code: "upstream_refused",
        action: "contact_support",
        takes_effect: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_page_opens_after_any_failure() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("linked", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    app.drain().await;
    let mut troubles = troubles();
    troubles.push(unrelated_refusal("Patient already has an active identity"));
    let before = app.table().await;
    for trouble in &troubles {
        app.stand_in()
            .fail_next(Operation::CreateIdentitySession, trouble.failure.clone());
        let answer = nora.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
        assert_refused(&answer, trouble);
        assert_eq!(app.table().await, before, "{:?}", trouble.failure);
    }
    assert_eq!(nora.open_identity().await.text("/status"), "pending");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn challenge_page_opens_after_any_failure() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("verified", "Jane").await;
    nora.verify_identity().await;
    app.drain().await;
    // Metriport does not document refusals of a challenge. The functions take a 400 or 409 for a refusal of the
    // identity, unless it names another reason.
    let mut troubles = troubles();
    troubles.retain(|trouble| !matches!(trouble.failure, Failure::Status { code: 400 | 409, .. }));
    troubles.push(unrelated_refusal(
        "redirectUrl of the identity is not on the account's allowlist",
    ));
    let before = app.table().await;
    for trouble in &troubles {
        app.stand_in()
            .fail_next(Operation::CreateChallenge, trouble.failure.clone());
        assert_refused(&nora.app.open_challenge(AAL2_RETURN).await.unwrap(), trouble);
        assert_eq!(app.table().await, before, "{:?}", trouble.failure);
    }
    assert_eq!(nora.pull_hie().await.text("/status"), "completed");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_rejected_upstream_is_proofed_again() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("verified", "Jane").await;
    nora.verify_identity().await;
    assert!(
        app.stand_in()
            .deactivate_identity(&app.proofed_identity("verified").await)
    );
    let refusal = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
    refused(&refusal, 409, "identity_rejected", "verify_identity");
    assert_ne!(nora.identity().await, "verified");
    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    assert_eq!(nora.pull_hie().await.text("/status"), "completed");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_of_metriport_is_passed_on_with_its_wait() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let upstream = app.sandbox().metriport_client().expect("a client");
    let nobody = ProofedIdentityId::parse("pid_of_nobody").expect("an id");
    let redirect = RedirectUrl::parse(AAL2_RETURN).expect("a URL");
    let before = app.table().await;
    // The window of the limit can end between the refused call and the function's call. Then the test needs another
    // round.
    let answer = until("a call of ours meets the limit", async || {
        let refusal = upstream
            .open_aal2_challenge(&nobody, &redirect)
            .await
            .expect_err("there is no such identity");
        if !matches!(refusal.kind(), UpstreamErrorKind::RateLimited { .. }) {
            return None;
        }
        let answer = nora.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
        (answer.status != 201).then_some(answer)
    })
    .await;
    refused(&answer, 429, "upstream_busy", "retry");
    assert!((1..=60).contains(&retry_after(&answer)), "{:?}", answer.headers);
    assert_eq!(app.table().await, before);
    app.end().await;
}
