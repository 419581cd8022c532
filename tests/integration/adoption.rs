//! Several persons whose tokens hold the same external id, as tokens of two issuers can. Metriport has one patient with
//! that id, and only one person may link to it.

use std::time::{Duration, Instant};

use sandbox_machine::app::{App, Reply};
use sandbox_metriport::{Failure, Operation};
use serde_json::{Value, json};
use shared::domain::Time;

use crate::harness::{TestApp, refused, retry_after, until};

const NAME: &str = "m-one";

/// Starts a sandbox in which the claim `member` is the external id. Metriport has a patient with that id whom no person
/// owns, because the answer to the creation was lost.
async fn with_orphan(time_scale: u32) -> TestApp {
    let app = TestApp::with(|options| {
        options.time_scale = time_scale;
        options.stand_in.rate_limits = false;
        let claim = ("EXTERNAL_ID_CLAIM".to_owned(), "member".to_owned());
        options.extra_env.push(claim);
    })
    .await;
    app.stand_in()
        .fail_next(Operation::CreatePatient, Failure::ResetAfterEffect);
    let lost = link(&app, "first").await;
    assert_eq!(lost.status, 504, "{:?}", lost.body);
    assert_eq!(owners(&app).await, Vec::<Value>::new());
    app
}

fn named(app: &TestApp, subject: &str) -> App {
    app.app_with(subject, &json!({ "member": NAME }))
}

/// Links a person to the patient. Each person has different demographics.
async fn link(app: &TestApp, subject: &str) -> Reply {
    let demographics = app.person(subject, "Jane").await.demographics().clone();
    named(app, subject).put_patient(&demographics).await.expect("an answer")
}

/// The items that name the owner of a patient.
async fn owners(app: &TestApp) -> Vec<Value> {
    let mut table = app.table().await;
    table.retain(|item| item["sk"] == "OWNER" && item["pk"].as_str().is_some_and(|pk| pk.starts_with("PATIENT#")));
    table
}

/// The call without an answer may still be running at Metriport, and its write could overwrite a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unanswered_first_link_is_not_repeated_while_it_may_run() {
    let app = with_orphan(1).await;
    let now = shared::clock::now();
    let until = app.table().await.iter().find_map(|item| {
        let until = item.pointer("/intent/until")?;
        serde_json::from_value::<Time>(until.clone()).ok()
    });
    let left = now.until(until.expect("the change has not ended"));
    assert!(left.as_secs() > 30, "{left:?}");
    let again = link(&app, "first").await;
    refused(&again, 409, "patient_changing", "put_patient");
    assert!(retry_after(&again) > 30);
    assert_eq!(app.upstream(Operation::FindPatient), 1);

    // A search writes nothing, so another person can repeat it at once.
    app.stand_in()
        .fail_next(Operation::FindPatient, Failure::ResetAfterEffect);
    assert_eq!(link(&app, "second").await.status, 504);
    assert_eq!(link(&app, "second").await.status, 200);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_persons_adopting_one_patient_send_only_one_update() {
    let app = with_orphan(1).await;
    // Each update is slow, so that both requests find the patient before one ends.
    let late = || {
        app.stand_in()
            .fail_next(Operation::UpdatePatient, Failure::HangFor(3_000));
    };
    late();
    late();
    let (second, third) = tokio::join!(link(&app, "second"), link(&app, "third"));
    assert!(
        app.overlapped("identity-session"),
        "the links did not overlap, so the test proves nothing"
    );
    let (won, lost) = match second.status {
        200 => (("second", second), ("third", third)),
        _ => (("third", third), ("second", second)),
    };
    assert_eq!(won.1.status, 200, "{:?}", won.1.body);
    refused(&lost.1, 409, "patient_link_refused", "contact_support");
    assert_eq!(
        app.upstream(Operation::UpdatePatient),
        1,
        "the refused person overwrote the other person's demographics"
    );
    let owners = owners(&app).await;
    assert_eq!(owners.len(), 1, "{owners:?}");
    assert_eq!(owners[0].get("deadline"), None, "a permanent owner has no deadline");

    refused(
        &link(&app, lost.0).await,
        409,
        "patient_link_refused",
        "contact_support",
    );
    assert_eq!(link(&app, won.0).await.status, 200);
    assert_eq!(app.upstream(Operation::UpdatePatient), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claim_with_refused_update_stays_with_its_person() {
    let app = with_orphan(1).await;
    app.stand_in()
        .fail_next(Operation::UpdatePatient, Failure::gateway(400, "Bad Request"));
    let failed = link(&app, "second").await;
    assert_ne!(failed.status, 200, "{:?}", failed.body);
    let claims = owners(&app).await;
    assert!(claims.len() == 1 && claims[0].get("deadline").is_some(), "{claims:?}");

    refused(
        &link(&app, "third").await,
        409,
        "patient_link_refused",
        "contact_support",
    );
    assert_eq!(owners(&app).await, claims, "the refused person changed the claim");
    let again = link(&app, "second").await;
    assert_eq!(again.status, 200, "{:?}", again.body);
    assert_eq!(owners(&app).await[0].get("deadline"), None);
    app.end().await;
}

/// A refusal before the write waits as long as the search took. Otherwise the response time would show whether the
/// patient has an owner.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusal_before_the_write_waits_as_long_as_the_search() {
    const READ: Duration = Duration::from_millis(400);
    let app = with_orphan(1).await;
    assert_eq!(link(&app, "second").await.status, 200);
    let updates = app.upstream(Operation::UpdatePatient);
    let late = Failure::HangFor(u64::try_from(READ.as_millis()).unwrap());
    app.stand_in().fail_next(Operation::FindPatient, late);
    let begun = Instant::now();
    let refusal = link(&app, "third").await;
    let took = begun.elapsed();
    refused(&refusal, 409, "patient_link_refused", "contact_support");
    assert_eq!(app.upstream(Operation::UpdatePatient), updates);
    assert!(took >= 2 * READ, "{took:?}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_claim_is_taken_over_by_another_person() {
    // At this time scale, a claim expires after half a second.
    let app = with_orphan(120).await;
    app.stand_in()
        .fail_next(Operation::UpdatePatient, Failure::ResetAfterEffect);
    let failed = link(&app, "second").await;
    assert_eq!(failed.status, 504, "{:?}", failed.body);
    assert_eq!(owners(&app).await.len(), 1);

    // A person gets only a few refusals per hour, so the test does not ask again before the claim has expired.
    until("the claim has ended", async || {
        let claim = owners(&app).await.remove(0);
        let deadline: Time = serde_json::from_value(claim["deadline"].clone()).ok()?;
        (deadline < shared::clock::now()).then_some(())
    })
    .await;
    let third = link(&app, "third").await;
    assert_eq!(third.status, 200, "{:?}", third.body);
    let owners = owners(&app).await;
    assert!(owners.len() == 1 && owners[0].get("deadline").is_none(), "{owners:?}");
    let back = until("the first one's change is over", async || {
        let reply = link(&app, "second").await;
        (reply.code() != "patient_changing").then_some(reply)
    })
    .await;
    refused(&back, 409, "patient_link_refused", "contact_support");
    app.end().await;
}
