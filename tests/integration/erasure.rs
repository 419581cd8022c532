//! A person is erased, with a receipt: nothing of them is left but what the receipt names, and no late work restores
//! the rest.

mod races;

use std::collections::BTreeMap;

use sandbox_machine::app::Reply;
use sandbox_metriport::{Failure, Operation};
use serde_json::{Value, json};
use shared::clock;
use shared::domain::erasure::{PatientOutcome, ReceiptStatement, verify_receipt};
use shared::domain::log::SealPublicKey;
use shared::domain::retention::kind_of;
use shared::domain::{Demographics, ExternalId, FacilityId};
use shared::metriport::{CreatePatient as _, NewPatient};

use crate::consent::to_notice;
use crate::harness::{Person, TestApp, refused, until};
use crate::quarantine::{deliver_stranger, entries, with_pull};
use crate::records::transfers::{answer, hurried};

pub(crate) const ME: &str = "/v1/me";
/// Sort keys of items that may stay after an erasure: the root, as numbers only, and the shares.
const LEFT: [&str; 2] = ["PERSON", "SHARES"];

/// Asks for the erasure; returns the receipt id.
pub(crate) async fn erase(person: &Person) -> String {
    let asked = ask(person).await;
    assert_eq!(asked.status, 202, "{:?}", asked.body);
    assert_eq!(asked.text("/status"), "erasing");
    let receipt = asked.text("/receiptId");
    assert_eq!(
        asked.body["next"],
        json!({ "action": "read_receipt", "method": "GET", "url": format!("/v1/erasures/{receipt}") })
    );
    receipt
}

pub(crate) async fn ask(person: &Person) -> Reply {
    person
        .app
        .send("DELETE".parse().unwrap(), ME, None)
        .await
        .expect("an answer")
}

/// Reads an erasure without a token.
pub(crate) async fn read(person: &Person, receipt: &str) -> Reply {
    person.app.read_erasure(receipt).await.expect("an answer")
}

/// Waits until the first sweep of the only erasure is over.
pub(crate) async fn until_first_sweep(app: &TestApp) {
    until("the first sweep is over", async || {
        let items = app.scan().await;
        let job = items.iter().find(|item| item["sk"] == "JOB").expect("a job");
        (job["stage"] == "between").then_some(())
    })
    .await;
}

/// Waits until the erasure is finished, while `reconcile` runs; returns its receipt.
pub(crate) async fn until_erased(app: &TestApp, person: &Person, receipt: &str) -> Value {
    let read = until("the erasure is finished", async || {
        app.reconcile().await;
        let read = read(person, receipt).await;
        assert_eq!(read.status, 200, "{:?}", read.body);
        (read.text("/status") == "erased").then_some(read)
    })
    .await;
    assert_eq!(read.body["next"], json!({ "action": "none" }));
    read.body["receipt"].clone()
}

/// Erases the person; returns what the receipt states.
async fn erase_whole(app: &TestApp, person: &Person) -> ReceiptStatement {
    let receipt = erase(person).await;
    let signed = until_erased(app, person, &receipt).await;
    statement(app, &signed).await
}

async fn statement(app: &TestApp, receipt: &Value) -> ReceiptStatement {
    let key = app.aws().kms().get_public_key().key_id("alias/ias-seals");
    let key = key.send().await.expect("a key").public_key.expect("bytes");
    let key = SealPublicKey::from_spki(key.as_ref()).expect("a key on P-256");
    verify_receipt(&receipt.to_string(), &key).expect("a receipt that holds")
}

/// The owner id, from the patient's row.
pub(crate) fn owner_of(items: &[Value], patient: &str) -> String {
    let row = items.iter().find(|item| item["pk"] == format!("PATIENT#{patient}"));
    row.expect("an owned patient")["owner"].as_str().unwrap().to_owned()
}

/// The items of a person that an erasure deletes, by kind.
pub(crate) fn counts(items: &[Value], owner: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for item in of_person(items, owner) {
        let (pk, sk) = (item["pk"].as_str().unwrap(), item["sk"].as_str().unwrap());
        if !LEFT.contains(&sk) {
            let kind = kind_of(pk, sk).expect("a kind with a retention");
            *counts.entry(kind.keys.to_owned()).or_default() += 1;
        }
    }
    counts
}

fn of_person<'i>(items: &'i [Value], owner: &str) -> Vec<&'i Value> {
    let partition = format!("OWNER#{owner}");
    let items = items.iter();
    items
        .filter(|item| item["pk"] == *partition || item["owner"] == *owner)
        .collect()
}

/// Checks that the table has of the person only a root without content and shares, and that the bucket is empty.
async fn assert_gone(app: &TestApp, owner: &str) {
    let items = app.scan().await;
    for item in of_person(&items, owner) {
        let sort = item["sk"].as_str().unwrap();
        assert!(LEFT.contains(&sort), "{item}");
        if sort == "PERSON" {
            let names: Vec<_> = item.as_object().unwrap().keys().map(String::as_str).collect();
            assert_eq!(names, ["grant", "pk", "sk", "ttl", "version"], "{item}");
        }
    }
    assert_eq!(app.objects().await, Vec::<String>::new());
}

/// Checks the receipt of an erasure of these items and two objects.
async fn assert_stated(app: &TestApp, signed: &Value, expected: &BTreeMap<String, u64>) {
    let stated = statement(app, signed).await;
    assert!(
        signed["statement"].as_str().unwrap().len() < 3_000,
        "KMS signs at most 4,096 bytes"
    );
    assert_eq!(stated.deleted.items, *expected);
    assert_eq!((stated.deleted.objects, stated.deleted.uploads), (2, 0));
    assert!(stated.deleted.bytes > 100);
    assert_eq!(stated.patient, PatientOutcome::Deleted);
    assert!(
        stated
            .remaining
            .iter()
            .all(|remaining| stated.finished_at < remaining.until)
    );
}

/// The person returns as somebody new.
async fn assert_new(app: &TestApp, nora: &Person, record: &str) {
    refused(&nora.records().await, 403, "consent_required", "give_consent");
    nora.give_consent().await;
    nora.verify_identity().await;
    assert_eq!(nora.records().await.list("/records").len(), 0);
    refused(&nora.record(record).await, 404, "not_found", "none");
    let again = nora.pull().await;
    assert_eq!(again.text("/status"), "completed", "{:?}", again.body);
    let items = app.scan().await;
    assert!(
        items.iter().any(|item| item["sk"] == "RETENTION"),
        "records are checked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erased_person_leaves_only_what_the_receipt_names() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    let pdf = nora.ask_record(&json!({ "conversionType": "pdf" })).await;
    nora.until_record(&pdf).await;
    app.drain().await;
    let patient = app.patient_of("nora").await;
    let before = app.scan().await;
    let owner = owner_of(&before, &patient);
    let (expected, objects) = (counts(&before, &owner), app.objects().await.len());
    assert_eq!(objects, 2);
    for kind in [
        "OWNER#/RUN#",
        "OWNER#/EVENT#",
        "OWNER#/RECORD#",
        "OWNER#/RETENTION",
        "SESSION#/OWNER",
        "REQUEST#/RUN",
        "AAL2#/USED",
    ] {
        assert!(expected.contains_key(kind), "{kind} in {expected:?}");
    }

    let receipt = erase(&nora).await;
    let signed = until_erased(&app, &nora, &receipt).await;
    assert_gone(&app, &owner).await;
    let text = app.table_text().await;
    let logged = entries(&app, "erased").await;
    assert_eq!((logged.len(), entries(&app, "erasure_requested").await.len()), (1, 1));
    for gone in [
        &patient,
        "Quill",
        &receipt,
        &format!("RECORD#{record}"),
        "proofedIdentity",
    ] {
        assert!(!text.contains(gone), "{gone} is left");
    }
    assert_eq!(app.upstream(Operation::DeletePatient), 1);

    assert_stated(&app, &signed, &expected).await;
    assert_eq!(app.until_metric("ErasureTime", &[], 1).await.len(), 1);
    assert_new(&app, &nora, &record).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_while_a_person_is_erased() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let receipt = erase(&nora).await;
    assert_eq!(erase(&nora).await, receipt, "a second device");
    app.drain().await;
    let shown = read(&nora, &receipt).await;
    assert_eq!(
        (shown.text("/status").as_str(), shown.text("/next/action").as_str()),
        ("erasing", "wait"),
        "the second sweep comes after the longest step"
    );
    assert!(shown.body.get("receipt").is_none());
    let consent = nora.app.get("/v1/me/consent").await.unwrap();
    assert_eq!(consent.text("/status"), "erasing");
    let given = nora.app.put_consent(&to_notice(&["pull"])).await.unwrap();
    for refusal in [nora.link().await, nora.records().await, given] {
        refused(&refusal, 409, "erasure_in_progress", "retry");
        assert!(crate::harness::retry_after(&refusal) > 0);
    }
    app.end().await;
}

/// Metriport has a patient with the person's external id, made by another program.
async fn with_foreign_patient(app: &TestApp, subject: &str) -> Person {
    let person = app.person(subject, "Jane").await;
    let demographics = Demographics::parse(person.demographics().to_string().as_bytes(), clock::now());
    let new = NewPatient {
        facility: FacilityId::parse(app.stand_in().facility_id()).expect("a facility"),
        external_id: ExternalId::parse(subject).expect("an id"),
        demographics: demographics.expect("demographics"),
        hie_opt_out: None,
    };
    let client = app.sandbox().metriport_client().expect("a client");
    client.create_patient(&new).await.expect("a patient");
    person
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_that_was_not_created_here_stays_at_metriport() {
    let app = hurried().await;
    let nora = with_foreign_patient(&app, "nora").await;
    assert_eq!(nora.link().await.status, 200);
    let stated = erase_whole(&app, &nora).await;
    assert_eq!(stated.patient, PatientOutcome::NotCreatedHere);
    assert_eq!(app.upstream(Operation::DeletePatient), 0);
    app.patient_of("nora").await;
    app.end().await;
}

/// The answer to the creation is lost, and the next attempt finds the patient.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_whose_creation_had_no_answer_is_deleted() {
    let app = hurried().await;
    app.stand_in()
        .fail_next(Operation::CreatePatient, Failure::ResetAfterEffect);
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 504);
    until("the change may be repeated", async || {
        (nora.link().await.status == 200).then_some(())
    })
    .await;
    let stated = erase_whole(&app, &nora).await;
    assert_eq!(stated.patient, PatientOutcome::Deleted);
    app.end().await;
}

/// The person was erased before the creation's outcome was known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn creation_without_an_answer_is_uncertain() {
    let app = hurried().await;
    app.stand_in()
        .fail_next(Operation::CreatePatient, Failure::ResetAfterEffect);
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 504);
    let stated = erase_whole(&app, &nora).await;
    assert_eq!(stated.patient, PatientOutcome::Uncertain);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_deletion_of_a_patient_is_retried() {
    let app = hurried().await;
    let (nora, _) = with_pull(&app, "nora").await;
    let owner = owner_of(&app.scan().await, &app.patient_of("nora").await);
    for code in [500, 403, 400, 503] {
        app.stand_in().fail_next(Operation::DeletePatient, answer(code, "{}"));
    }
    let receipt = erase(&nora).await;
    app.drain().await;
    assert_eq!(app.objects().await, Vec::<String>::new(), "the sweep does not wait");
    let signed = until_erased(&app, &nora, &receipt).await;
    assert_eq!(app.upstream(Operation::DeletePatient), 5);
    assert_eq!(statement(&app, &signed).await.patient, PatientOutcome::Deleted);
    assert_gone(&app, &owner).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patient_that_is_gone_already_is_absent() {
    let app = hurried().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    app.stand_in()
        .fail_next(Operation::DeletePatient, answer(404, r#"{"title":"NotFoundError"}"#));
    let stated = erase_whole(&app, &nora).await;
    assert_eq!(stated.patient, PatientOutcome::Absent);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_without_anything_and_a_quarantined_one_are_erased() {
    let app = hurried().await;
    let nobody = app.newcomer("nobody", "Jane");
    let stated = erase_whole(&app, &nobody).await;
    assert_eq!(stated.patient, PatientOutcome::NotLinked);
    assert!(stated.deleted.items.is_empty(), "{:?}", stated.deleted);

    let (nora, _) = with_pull(&app, "nora").await;
    deliver_stranger(&app);
    let different = nora.ask_record(&json!({ "conversionType": "json" })).await;
    assert_eq!(nora.until_record(&different).await.text("/status"), "quarantined");
    erase_whole(&app, &nora).await;
    assert_eq!(app.objects().await, Vec::<String>::new());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_receipt_gets_the_answer_of_a_malformed_one() {
    let app = hurried().await;
    let nora = app.person("nora", "Jane").await;
    let receipt = erase(&nora).await;
    let mut other = receipt.clone();
    other.replace_range(31.., if receipt.ends_with('0') { "1" } else { "0" });
    for wrong in [
        &other,
        "x",
        &"0".repeat(32),
        &receipt.to_uppercase(),
        &format!("{receipt}0"),
        "%00",
        "..%2f",
    ] {
        let refusal = read(&nora, wrong).await;
        refused(&refusal, 404, "not_found", "none");
    }
    until_erased(&app, &nora, &receipt).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn repeated_request_under_a_key_names_the_same_receipt() {
    let app = hurried().await;
    let nora = app.person("nora", "Jane").await;
    let send = async || nora.app.erase_me("erase-1").await.expect("an answer");
    let (first, again) = (send().await, send().await);
    assert_eq!((first.status, again.status), (202, 202));
    assert_eq!(first.body, again.body);
    until_erased(&app, &nora, &first.text("/receiptId")).await;

    // The app's queue repeats the request after the person has returned.
    nora.give_consent().await;
    assert_eq!(nora.link().await.status, 200);
    let late = send().await;
    assert_eq!((late.status, &late.body), (202, &first.body));
    app.drain().await;
    assert_eq!(nora.link().await.status, 200, "nothing is erased again");
    assert_ne!(
        erase(&nora).await,
        first.text("/receiptId"),
        "a request without the key"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_persons_are_erased_at_once() {
    let app = hurried().await;
    let mut receipts = Vec::new();
    for number in 0..100 {
        let person = app.person(&format!("person-{number}"), "Jane").await;
        if number % 10 == 0 {
            assert_eq!(person.link().await.status, 200);
        }
        let receipt = erase(&person).await;
        receipts.push((person, receipt));
    }
    for (person, receipt) in &receipts {
        until_erased(&app, person, receipt).await;
    }
    assert_eq!(entries(&app, "erased").await.len(), 100);
    app.end().await;
}
