//! Requirements of trust that are not an own part of the API: the opt-out, and names in keys and links.

use sandbox_metriport::Operation;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::{Demographics, ExternalId, FacilityId};
use shared::metriport::{CreatePatient, FindPatient, NewPatient};

use crate::harness::{Person, TestApp};

/// The opt-out of a person's patient, as Metriport holds it.
async fn opt_out_upstream(app: &TestApp, subject: &str) -> Option<bool> {
    let client = app.sandbox().metriport_client().expect("a client");
    let id = ExternalId::parse(subject).expect("an id");
    let patient = client.find_patient(&id).await.expect("an answer");
    patient.expect("a patient").hie_opt_out
}

/// Puts the person's demographics with this opt-out; returns the opt-out and the status that are shown.
async fn put(nora: &Person, opt_out: Option<bool>) -> (Value, String) {
    let mut body = nora.demographics().clone();
    if let Some(opt_out) = opt_out {
        body["hieOptOut"] = json!(opt_out);
    }
    let answer = nora.app.put_patient(&body).await.expect("an answer");
    assert_eq!(answer.status, 200, "{:?}", answer.body);
    let identity = nora.app.identity().await.expect("an answer");
    assert_eq!(identity.body["hieOptOut"], answer.body["hieOptOut"]);
    (answer.body["hieOptOut"].clone(), answer.text("/status"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opt_out_is_passed_on_and_shown() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let writes = || app.upstream(Operation::UpdatePatient);
    assert_eq!(put(&nora, None).await, (Value::Null, "verified".into()));
    for (opt_out, shown, upstream, sent) in [
        (Some(true), true, Some(true), 1),
        // Without the field, the opt-out stays.
        (None, true, Some(true), 0),
        (Some(true), true, Some(true), 0),
        // The stand-in does not show an opt-out that was withdrawn.
        (Some(false), false, None, 1),
    ] {
        let before = writes();
        assert_eq!(put(&nora, opt_out).await, (json!(shown), "verified".into()));
        assert_eq!(writes() - before, sent, "{opt_out:?}");
        assert_eq!(opt_out_upstream(&app, "nora").await, upstream, "{opt_out:?}");
    }
    put(&nora, Some(true)).await;
    let moved = nora.send("PUT", "/v1/patient", &nora.moved()).await;
    assert_eq!(moved.body["hieOptOut"], true, "a change of the address keeps it");
    assert_eq!(opt_out_upstream(&app, "nora").await, Some(true));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn opt_out_of_an_adopted_patient_stays() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let new = NewPatient {
        facility: FacilityId::parse(app.stand_in().facility_id()).expect("a facility"),
        external_id: ExternalId::parse("nora").expect("an id"),
        demographics: Demographics::parse(nora.demographics().to_string().as_bytes(), clock::now()).unwrap(),
        hie_opt_out: Some(true),
    };
    let client = app.sandbox().metriport_client().expect("a client");
    client.create_patient(&new).await.expect("a patient");
    assert_eq!(put(&nora, None).await, (json!(true), "not_started".into()));
    assert_eq!(opt_out_upstream(&app, "nora").await, Some(true));
    app.end().await;
}

/// Whether a text is a folder's name: 32 lowercase hex digits.
fn is_folder(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The stored patient of the only person.
pub async fn stored_patient(app: &TestApp) -> Value {
    let table = app.table().await;
    let patients: Vec<_> = table.iter().filter(|item| item["sk"] == "PATIENT").collect();
    assert_eq!(patients.len(), 1);
    patients[0].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_holds_a_person_or_session_id() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;
    let accepted = nora.app.start_query(&passed.ask()).await.unwrap();
    let pull = nora.until_ended(&accepted.text("/id")).await;
    let link = nora.final_record(&pull).await.text("/link/url");
    let stored = stored_patient(&app).await;
    let owner = stored["pk"].as_str().unwrap().strip_prefix("OWNER#").unwrap();
    let patient = app.patient_of("nora").await;
    let proofed = app.proofed_identity("nora").await;
    let objects = app.objects().await;
    assert!(!objects.is_empty());
    for text in objects.iter().chain([&link]) {
        for id in [
            "nora",
            owner,
            &owner[3..],
            &patient,
            &proofed,
            &passed.session,
            &passed.challenge,
        ] {
            assert!(!text.contains(id), "{id} in {text}");
        }
    }
    let folder = stored["folder"].as_str().unwrap();
    assert!(is_folder(folder), "{folder}");
    assert!(
        objects.iter().all(|key| key.starts_with(&format!("records/{folder}/"))),
        "{objects:?}"
    );
    app.end().await;
}

/// Removes what versions before this one did not store.
pub async fn age_items(app: &TestApp) {
    let stored = stored_patient(app).await;
    let update = async |sk: &str, parent: &str, expression: &str| {
        let key = serde_dynamo::to_item(json!({ "pk": stored["pk"], "sk": sk })).unwrap();
        let update = app.aws().dynamodb().update_item().table_name("ias-Table");
        let update = update.set_key(Some(key)).update_expression(expression);
        let update = update.expression_attribute_names("#parent", parent);
        update.send().await.expect("an update");
    };
    update("PATIENT", "link", "REMOVE folder, #parent.fingerprint").await;
    for item in app.table().await.iter().filter(|item| !item["object"].is_null()) {
        update(item["sk"].as_str().unwrap(), "object", "REMOVE #parent.comparison").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_of_an_earlier_version_is_completed_once() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.pull_hie().await;
    age_items(&app).await;
    let older = nora.final_record(&pull).await;
    assert!(!nora.download(&older).await.is_empty());
    let id = nora.ask_record(&json!({ "conversionType": "json" })).await;
    let record = nora.until_record(&id).await;
    assert!(app.objects().await.contains(&format!("records/{id}.json")));

    let before = app.upstream(Operation::UpdatePatient);
    for _ in 0..2 {
        assert_eq!(put(&nora, None).await, (Value::Null, "verified".into()));
    }
    assert_eq!(app.upstream(Operation::UpdatePatient), before);
    let stored = stored_patient(&app).await;
    let folder = stored["folder"].as_str().unwrap();
    assert!(is_folder(folder) && stored["link"]["fingerprint"]["birthDate"].is_string());
    let next = nora.ask_record(&json!({ "conversionType": "json" })).await;
    nora.until_record(&next).await;
    assert!(app.objects().await.contains(&format!("records/{folder}/{next}.json")));
    assert!(!nora.download(&nora.record(&record.text("/id")).await).await.is_empty());
    app.end().await;
}
