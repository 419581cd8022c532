//! The comparison of a record's Patients with the person, which `record-fetch` stores with the record.

use sandbox_metriport::Operation;
use serde_json::{Value, json};

use super::transfers::{answer, assert_little_memory, hurried};
use crate::harness::{Person, TestApp, until};

/// A person with one pull, whose record has a Patient made from their demographics; returns also that record's id.
async fn with_pull(app: &TestApp, subject: &str) -> (Person, String) {
    let nora = app.person(subject, "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    let record = pull.list("/records")[0]["id"].as_str().expect("a record");
    (nora, record.to_owned())
}

/// The stored comparison of a record.
async fn comparison(app: &TestApp, record: &str) -> Value {
    let table = app.table().await;
    let is_it = |item: &&Value| item["sk"] == format!("RECORD#{record}");
    table.iter().find(is_it).expect("the record")["object"]["comparison"].clone()
}

/// Lets Metriport deliver a Bundle with these resources; returns the comparison. A different record is quarantined.
async fn compare(app: &TestApp, nora: &Person, resources: &str) -> Value {
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{resources}}}]}}"#);
    app.stand_in().fail_next(Operation::DownloadFile, answer(200, &bundle));
    let id = nora.ask_record(&json!({ "conversionType": "json" })).await;
    let (status, found) = (nora.until_record(&id).await.text("/status"), comparison(app, &id).await);
    let is_same = found == "not_comparable";
    assert_eq!(status, if is_same { "available" } else { "quarantined" });
    found
}

/// The person's Patient as Metriport makes it, with other values in these fields.
async fn patient(app: &TestApp, nora: &Person, subject: &str, other: Value) -> Value {
    let (id, who) = (app.patient_of(subject).await, nora.demographics());
    let mut patient = json!({
        "resourceType": "Patient", "id": id, "birthDate": who["dob"],
        "name": [{ "family": who["lastName"], "given": [who["firstName"]] }],
    });
    patient
        .as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    patient
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_patient_is_stored_with_the_record() {
    let app = hurried().await;
    let names = vec![json!({ "family": "Greystone" }); 10_000];
    for (subject, other, fields) in [
        ("nora", json!({ "id": "p-2" }), json!(["patient_id"])),
        (
            "olga",
            json!({ "birthDate": "1901-01-01", "name": names }),
            json!(["name", "birth_date"]),
        ),
        (
            "omar",
            json!({ "name": [{ "family": "Greystone".repeat(120_000) }] }),
            json!(["name"]),
        ),
    ] {
        let (person, record) = with_pull(&app, subject).await;
        assert_eq!(comparison(&app, &record).await, "not_comparable");
        let patient = patient(&app, &person, subject, other).await.to_string();
        assert_eq!(compare(&app, &person, &patient).await, json!({ "different": fields }));
    }
    assert_eq!(app.until_metric("RecordsDifferent", &[], 3).await, [1.0; 3]);
    app.drain().await;
    let log = app.log().join("\n");
    assert!(log.contains(r#""different":"name,birth_date""#), "{log}");
    // The whole date, because a time in the log can hold `1901`.
    assert!(!log.contains("Greystone") && !log.contains("1901-01-01"), "{log}");
    assert_little_memory(&app);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_or_missing_patient_is_stored_as_not_comparable() {
    let app = hurried().await;
    let (nora, _) = with_pull(&app, "nora").await;
    let own = patient(&app, &nora, "nora", json!({})).await.to_string();
    let escaped = own.replace("Quill", r"\u0051uill").replace("Jane", r"J\u0061ne");
    for resource in [own, escaped, r#"{"resourceType":"Observation","id":"7"}"#.to_owned()] {
        assert_eq!(compare(&app, &nora, &resource).await, "not_comparable", "{resource}");
    }
    for conversion in ["pdf", "html"] {
        let id = nora.ask_record(&json!({ "conversionType": conversion })).await;
        assert_eq!(nora.until_record(&id).await.text("/status"), "available");
        assert_eq!(comparison(&app, &id).await, "not_comparable", "{conversion}");
    }
    assert!(app.metric_values("RecordsDifferent", &[]).is_empty());
    app.end().await;
}

/// The record was requested under the former name, so Metriport may deliver it under that name.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_requested_before_a_change_of_name_is_not_comparable() {
    let app = hurried().await;
    let (nora, _) = with_pull(&app, "nora").await;
    let former = patient(&app, &nora, "nora", json!({})).await.to_string();
    app.stand_in().hold_webhooks();
    let id = nora.ask_record(&json!({ "conversionType": "json" })).await;
    app.until_held("medical.consolidated-data", 1).await;
    let mut renamed = nora.demographics().clone();
    renamed["lastName"] = json!("Quillon");
    assert_eq!(nora.app.put_patient(&renamed).await.unwrap().status, 200);
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{{"resource":{former}}}]}}"#);
    app.stand_in().fail_next(Operation::DownloadFile, answer(200, &bundle));
    app.stand_in().release_all().await;
    let result = until("the record is stored", async || {
        Some(comparison(&app, &id).await).filter(|stored| !stored.is_null())
    });
    assert_eq!(result.await, "not_comparable");

    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    assert_eq!(compare(&app, &nora, &former).await, json!({ "different": ["name"] }));
    app.end().await;
}
