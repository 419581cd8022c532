//! Demographics that change, a patient that is there already, and one that is gone.

use sandbox_metriport::{Failure, Operation};
use serde_json::json;
use shared::clock;
use shared::domain::{Demographics, ExternalId, FacilityId, PatientId};
use shared::metriport::{CreatePatient, DeletePatient, NewPatient, PatientDeletion};

use crate::harness::{TestApp, refused, retry_after};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_demographics_need_proofing_again_and_equal_ones_need_nothing() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;

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

    let mut moved = nora.demographics().clone();
    moved["address"][0]["addressLine1"] = json!("12 Elm St");
    // Upstream refuses while it processes documents: nothing has changed then.
    let locked = Failure::Status {
        code: 423,
        body: "\"Patient is locked\"".to_owned(),
        content_type: "application/json".to_owned(),
    };
    app.stand_in().fail_next(Operation::UpdatePatient, locked);
    let answer = nora.send("PUT", "/v1/patient", &moved).await;
    refused(&answer, 423, "patient_locked", "retry");
    assert!(retry_after(&answer) > 0);
    assert_eq!(nora.identity().await, "verified");

    let updates = app.upstream(Operation::UpdatePatient);
    let answer = nora.send("PUT", "/v1/patient", &moved).await;
    assert_eq!(
        (answer.status, answer.text("/status").as_str()),
        (200, "demographics_changed"),
        "{:?}",
        answer.body
    );
    assert_eq!(answer.text("/next/action"), "verify_identity");
    assert_eq!(app.upstream(Operation::UpdatePatient), updates + 1);
    let ask = passed.ask();
    refused(
        &nora.app.start_query(&ask).await.unwrap(),
        409,
        "identity_not_verified",
        "verify_identity",
    );
    let challenge = nora.app.open_challenge(ias::sandbox::AAL2_RETURN).await.unwrap();
    refused(&challenge, 409, "identity_not_verified", "verify_identity");

    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    // The challenge was passed for the identity before.
    refused(
        &nora.app.start_query(&ask).await.unwrap(),
        409,
        "challenge_not_pending",
        "open_challenge",
    );
    let run = nora.pull_hie().await;
    assert_eq!(run.text("/status"), "completed", "{:?}", run.body);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demographics_do_not_change_under_an_open_pull() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in.delays.lab_ms = 1500;
    })
    .await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    let id = nora.start().await;
    let updates = app.upstream(Operation::UpdatePatient);
    let mut moved = nora.demographics().clone();
    moved["address"][0]["addressLine1"] = json!("12 Elm St");
    let answer = nora.send("PUT", "/v1/patient", &moved).await;
    refused(&answer, 423, "patient_locked", "retry");
    assert!(retry_after(&answer) > 0);
    assert_eq!(app.upstream(Operation::UpdatePatient), updates);
    assert_eq!(nora.identity().await, "verified");
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    assert_eq!(nora.send("PUT", "/v1/patient", &moved).await.status, 200);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_of_ours_is_adopted_and_one_that_is_gone_is_made_again() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    let upstream = app.sandbox().metriport_client().expect("a client");
    let facility = FacilityId::parse(app.stand_in().facility_id()).expect("a facility");
    let mut older = nora.demographics().clone();
    older["lastName"] = json!("Quillon");
    let demographics = Demographics::parse(older.to_string().as_bytes(), clock::now()).expect("demographics");
    let external_id = ExternalId::parse("nora").expect("an id");
    let new = NewPatient {
        facility: facility.clone(),
        external_id,
        demographics,
    };
    upstream.create_patient(&new).await.expect("a patient");
    let there = app.patient_of("nora").await;

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

    let deletion = PatientDeletion {
        patient: PatientId::parse(&*there).expect("an id"),
        facility: Some(facility),
    };
    upstream
        .delete_patient(&deletion)
        .await
        .expect("the patient is deleted");
    // Nobody told us. The first step that meets it says what to do, and the person can go the whole way again.
    let challenge = nora.app.open_challenge(ias::sandbox::AAL2_RETURN).await.unwrap();
    refused(&challenge, 409, "identity_rejected", "verify_identity");
    let session = nora
        .app
        .open_identity_session(ias::sandbox::IDENTITY_RETURN)
        .await
        .unwrap();
    refused(&session, 409, "patient_not_linked", "put_patient");
    nora.verify_identity().await;
    assert_ne!(app.patient_of("nora").await, there);
    assert_eq!(nora.pull_hie().await.text("/status"), "completed");
    app.end().await;
}
