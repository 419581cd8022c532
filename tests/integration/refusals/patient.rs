//! Demographics that change, a patient that already exists, and a patient that was deleted.

use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::{Failure, Operation};
use serde_json::json;
use shared::clock;
use shared::domain::{Demographics, ExternalId, FacilityId, PatientId};
use shared::metriport::{CreatePatient, DeletePatient, NewPatient, PatientDeletion};

use crate::harness::{Person, TestApp, refused, retry_after};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn equal_demographics_change_nothing() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    nora.pass_challenge().await;
    let before = app.snapshot().await;
    let mut equal = nora.demographics().clone();
    equal["firstName"] = json!("  Jane ");
    equal["address"] = equal["address"][0].clone();
    equal["address"]["state"] = json!("oh");
    equal["contact"][0]["phone"] = json!("+1 (937) 555-0142");
    for same in [nora.demographics(), &equal] {
        let answer = nora.send("PUT", "/v1/patient", same).await;
        assert_eq!(
            (answer.status, answer.text("/status").as_str()),
            (200, "verified"),
            "{:?}",
            answer.body
        );
    }
    assert_eq!(app.snapshot().await, before);
    app.end().await;
}

/// Metriport refuses changes while it processes the patient's documents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_refused_upstream_leaves_the_identity_verified() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let locked = Failure::Status {
        code: 423,
        body: "\"Patient is locked\"".to_owned(),
        content_type: "application/json".to_owned(),
    };
    app.stand_in().fail_next(Operation::UpdatePatient, locked);
    let answer = nora.send("PUT", "/v1/patient", &nora.moved()).await;
    refused(&answer, 423, "patient_locked", "retry");
    assert!(retry_after(&answer) > 0);
    assert_eq!(nora.identity().await, "verified");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_demographics_need_another_proofing_and_challenge() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let ask = nora.pass_challenge().await.ask();
    change_demographics(&app, &nora).await;
    refused(
        &nora.app.start_query(&ask).await.unwrap(),
        409,
        "identity_not_verified",
        "verify_identity",
    );
    let challenge = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
    refused(&challenge, 409, "identity_not_verified", "verify_identity");

    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    // The person passed this challenge with the previous identity.
    refused(
        &nora.app.start_query(&ask).await.unwrap(),
        409,
        "challenge_not_pending",
        "open_challenge",
    );
    let pull = nora.pull_hie().await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    app.end().await;
}

async fn change_demographics(app: &TestApp, nora: &Person) {
    let updates = app.upstream(Operation::UpdatePatient);
    let answer = nora.send("PUT", "/v1/patient", &nora.moved()).await;
    assert_eq!(
        (answer.status, answer.text("/status").as_str()),
        (200, "demographics_changed"),
        "{:?}",
        answer.body
    );
    assert_eq!(answer.text("/next/action"), "verify_identity");
    assert_eq!(app.upstream(Operation::UpdatePatient), updates + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demographics_do_not_change_during_an_open_pull() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in.delays.lab_ms = 1500;
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let id = nora.start().await;
    let updates = app.upstream(Operation::UpdatePatient);
    let moved = nora.moved();
    let answer = nora.send("PUT", "/v1/patient", &moved).await;
    refused(&answer, 423, "patient_locked", "retry");
    assert!(retry_after(&answer) > 0);
    assert_eq!(app.upstream(Operation::UpdatePatient), updates);
    assert_eq!(nora.identity().await, "verified");
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    assert_eq!(nora.send("PUT", "/v1/patient", &moved).await.status, 200);
    app.end().await;
}

/// Creates a patient at Metriport with the person's external id and another last name; returns the patient's id.
async fn create_upstream(app: &TestApp, nora: &Person) -> String {
    let mut older = nora.demographics().clone();
    older["lastName"] = json!("Quillon");
    let new = NewPatient {
        facility: facility(app),
        external_id: ExternalId::parse("nora").expect("an id"),
        demographics: Demographics::parse(older.to_string().as_bytes(), clock::now()).expect("demographics"),
        hie_opt_out: None,
    };
    let upstream = app.sandbox().metriport_client().expect("a client");
    upstream.create_patient(&new).await.expect("a patient");
    app.patient_of("nora").await
}

fn facility(app: &TestApp) -> FacilityId {
    FacilityId::parse(app.stand_in().facility_id()).expect("a facility")
}

async fn delete_upstream(app: &TestApp, patient: &str) {
    let deletion = PatientDeletion {
        patient: PatientId::parse(patient).expect("an id"),
        facility: Some(facility(app)),
    };
    let upstream = app.sandbox().metriport_client().expect("a client");
    upstream
        .delete_patient(&deletion)
        .await
        .expect("the patient is deleted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_with_the_persons_external_id_is_adopted() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let there = create_upstream(&app, &nora).await;
    let (creates, updates) = (
        app.upstream(Operation::CreatePatient),
        app.upstream(Operation::UpdatePatient),
    );
    nora.verify_identity().await;
    assert_eq!(
        app.upstream(Operation::CreatePatient),
        creates,
        "a second patient was created"
    );
    assert_eq!(
        app.upstream(Operation::UpdatePatient),
        updates + 1,
        "upstream holds other demographics than the person's"
    );
    assert_eq!(app.patient_of("nora").await, there);
    assert_eq!(nora.pull_hie().await.text("/status"), "completed");
    app.end().await;
}

/// Metriport sends no event for a deleted patient. The refusal of the first step that notices the deletion names the
/// next action.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_deleted_upstream_is_created_again() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let there = create_upstream(&app, &nora).await;
    nora.verify_identity().await;
    delete_upstream(&app, &there).await;
    let challenge = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
    refused(&challenge, 409, "identity_rejected", "verify_identity");
    let session = nora.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
    refused(&session, 409, "patient_not_linked", "put_patient");
    nora.verify_identity().await;
    assert_ne!(app.patient_of("nora").await, there);
    assert_eq!(nora.pull_hie().await.text("/status"), "completed");
    app.end().await;
}
