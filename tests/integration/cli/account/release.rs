//! `ias account release-patient`: the patient of the wrong person becomes nobody's, and then the right person's.

use sandbox_metriport::Persona;
use serde_json::Value;
use shared::clock;
use shared::domain::{Demographics, ExternalId, FacilityId, PatientId};
use shared::metriport::{PatientUpdate, UpdatePatient};

use super::Operator;
use crate::harness::{Person, TestApp};

/// What an operator does at Metriport before: the patient gets the external id of the person whose it is.
async fn name_upstream(app: &TestApp, patient: &str, wrong: &Person, right: &str) {
    let demographics = Demographics::parse(wrong.demographics().to_string().as_bytes(), clock::now());
    let update = PatientUpdate {
        patient: PatientId::parse(patient).expect("an id"),
        facility: FacilityId::parse(app.stand_in().facility_id()).expect("a facility"),
        external_id: ExternalId::parse(right).expect("an id"),
        demographics: demographics.expect("demographics"),
    };
    let upstream = app.sandbox().metriport_client().expect("a client");
    upstream.update_patient(&update).await.expect("the patient is updated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_of_the_wrong_person_is_released_to_the_right_one() {
    let app = TestApp::start().await;
    let (nora, omar) = (app.person("nora", "Jane"), app.person("omar", "Jane"));
    assert_eq!(nora.link().await.status, 200);
    let patient = app.patient_of("nora").await;
    let operator = Operator::of(&app);
    let look = ["account", "release-patient", "--patient", &patient];
    let release = [&look[..], &["--confirm"]].concat();

    // Their next request would link it again.
    operator.types(&release).await.badly(&["external id of this person"]);
    name_upstream(&app, &patient, &nora, "omar").await;
    let before = app.table().await;
    operator.types(&look).await.well(&[&patient, "Nothing was changed"]);
    assert_eq!(app.table().await, before);

    let said = operator.types(&release).await;
    let audit = said.well(&[&format!("released patient={patient} owner=v1."), "access_key=OPERATOR"]);
    assert_eq!(audit.lines().count(), 1, "{audit}");
    assert_eq!(nora.identity().await, "not_started");
    let table = app.table().await;
    assert!(
        table.iter().all(|item| item["pk"] != format!("PATIENT#{patient}")),
        "{table:?}"
    );
    operator.types(&look).await.badly(&["no person is linked"]);

    assert_eq!(omar.link().await.status, 200);
    assert_eq!(app.patient_of("omar").await, patient);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_with_an_open_pull_is_not_released() {
    let app = TestApp::start().await;
    // Its pull waits for a source that never answers.
    let nora = app.person("nora", Persona::SilentSource.first_name());
    nora.verify_identity().await;
    let patient = app.patient_of("nora").await;
    name_upstream(&app, &patient, &nora, "omar").await;
    nora.start().await;
    let operator = Operator::of(&app);
    let release = ["account", "release-patient", "--confirm", "--patient", &patient];
    operator.types(&release).await.badly(&["a pull of the patient is open"]);
    let table = app.table().await;
    let is_owner = |item: &Value| item["pk"] == format!("PATIENT#{patient}") && item["sk"] == "OWNER";
    assert!(table.iter().any(is_owner), "{table:?}");
    app.end().await;
}
