//! `ias account release-patient`: the wrong person loses the patient, and the right person can link to it.

use std::time::Duration;

use sandbox_metriport::Persona;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::log::Actor;
use shared::domain::patient::PatientSlot;
use shared::domain::{Demographics, ExternalId, FacilityId, OwnerId, PatientId};
use shared::metriport::{PatientUpdate, UpdatePatient};
use shared::store::{Condition, Correlate, ReadPatient, ReleasePatient, StoreError};

use super::Operator;
use crate::budget::table;
use crate::harness::{Person, TestApp};

/// The operator's step before the command: gives the patient the right person's external id at Metriport.
async fn name_upstream(app: &TestApp, patient: &str, wrong: &Person, right: &str) {
    let demographics = Demographics::parse(wrong.demographics().to_string().as_bytes(), clock::now());
    let update = PatientUpdate {
        patient: PatientId::parse(patient).expect("an id"),
        facility: FacilityId::parse(app.stand_in().facility_id()).expect("a facility"),
        external_id: ExternalId::parse(right).expect("an id"),
        demographics: demographics.expect("demographics"),
        hie_opt_out: None,
    };
    let upstream = app.sandbox().metriport_client().expect("a client");
    upstream.update_patient(&update).await.expect("the patient is updated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_of_the_wrong_person_is_released_to_the_right_one() {
    let app = TestApp::start().await;
    let (nora, omar) = (app.person("nora", "Jane").await, app.person("omar", "Jane").await);
    assert_eq!(nora.link().await.status, 200);
    let patient = app.patient_of("nora").await;
    let operator = Operator::of(&app);
    let look = ["account", "release-patient", "--patient", &patient];
    let release = [&look[..], &["--confirm"]].concat();

    // The command refuses while the patient has this person's external id. Otherwise the person's next request would
    // link the patient again.
    operator.types(&release).await.badly(&["external id of this person"]);
    name_upstream(&app, &patient, &nora, "omar").await;
    let before = app.table().await;
    operator.types(&look).await.well(&[&patient, "Nothing was changed"]);
    assert_eq!(app.table().await, before);

    let ended = operator.types(&release).await;
    let audit = ended.well(&[
        &format!("released patient={patient} owner=v1."),
        "by=arn:aws:iam::000000000000:user/OPERATOR",
    ]);
    assert_eq!(audit.lines().count(), 1, "{audit}");
    assert_eq!(nora.identity().await, "not_started");
    let table = app.table().await;
    assert!(
        table.iter().all(|item| item["pk"] != format!("PATIENT#{patient}")),
        "{table:?}"
    );
    let entries = app
        .scan()
        .await
        .into_iter()
        .filter(|item| item["what"] == "patient_released");
    assert_eq!(entries.count(), 1);
    operator.types(&look).await.badly(&["no person is linked"]);

    assert_eq!(omar.link().await.status, 200);
    assert_eq!(app.patient_of("omar").await, patient);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_with_an_open_pull_is_not_released() {
    let app = TestApp::start().await;
    // The pharmacy fails without a webhook, so the pull stays open.
    let nora = app.person("nora", Persona::SilentSource.first_name()).await;
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

/// Stores a lock of the patient that expires in a minute, or that expired a minute ago.
async fn put_lock(app: &TestApp, patient: &str, row: &str, alive: bool) {
    let (now, minute) = (clock::now(), Duration::from_secs(60));
    let deadline = if alive { now.plus(minute) } else { now.minus(minute) };
    let item =
        json!({ "pk": format!("PATIENT#{patient}"), "sk": row, "owner": "v1.o", "holder": "h", "deadline": deadline });
    let put = app.aws().dynamodb().put_item().table_name("ias-Table");
    let put = put.set_item(Some(serde_dynamo::to_item(item).expect("an item")));
    put.send().await.expect("a lock");
}

/// The command reads the state before it writes. The table refuses the write if the state has changed since then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn release_of_a_changed_patient_is_refused() {
    let app = TestApp::start().await;
    assert_eq!(app.person("nora", "Jane").await.link().await.status, 200);
    let (name, table) = (app.patient_of("nora").await, table(&app));
    let patient = PatientId::parse(name.clone()).expect("an id");
    let owner = table.by_patient(&patient).await.unwrap().expect("an owner");
    let slot = table.patient(&owner).await.unwrap();
    let release = async |owner: &OwnerId, slot: &PatientSlot| {
        let released = table
            .release_patient(owner, slot, &patient, &Actor::Function, clock::now())
            .await;
        released.map_err(|error| match error {
            StoreError::Conflict(conditions) => conditions,
            other => panic!("{other}"),
        })
    };

    let stale = PatientSlot {
        version: slot.version - 1,
        ..slot.clone()
    };
    assert_eq!(release(&owner, &stale).await, Err(vec![Condition::PatientAsRead]));
    let other = OwnerId::parse("v1.other").expect("an owner");
    let nothing = PatientSlot::default();
    assert_eq!(release(&other, &nothing).await, Err(vec![Condition::PatientOurs]));
    for (row, condition) in [
        ("OPEN_RUN", Condition::NoOpenPull),
        ("OPEN_CONSOLIDATED", Condition::NoOpenConsolidated),
    ] {
        put_lock(&app, &name, row, true).await;
        assert_eq!(release(&owner, &slot).await, Err(vec![condition]));
        put_lock(&app, &name, row, false).await;
    }
    assert_eq!(release(&owner, &slot).await, Ok(()));
    assert_eq!(table.by_patient(&patient).await.unwrap(), None);
    app.end().await;
}
