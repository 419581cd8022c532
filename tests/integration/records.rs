//! Records that a person asks for: conversions and filters, one query per patient at a time, and links that live a
//! minute.

mod bad_input;
mod patients;
mod shares;
pub(crate) mod transfers;

use std::collections::BTreeSet;

use sandbox_machine::app::Reply;
use sandbox_metriport::Operation;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Person, TestApp, until};

fn resources(bundle: &[u8]) -> Vec<Value> {
    let bundle: Value = serde_json::from_slice(bundle).expect("JSON");
    assert_eq!(bundle["resourceType"], "Bundle");
    bundle["entry"]
        .as_array()
        .expect("entries")
        .iter()
        .map(|entry| entry["resource"].clone())
        .collect()
}

fn ids(resources: &[Value], of_type: &str) -> BTreeSet<String> {
    let wanted = resources.iter().filter(|resource| resource["resourceType"] == of_type);
    wanted
        .map(|resource| resource["id"].as_str().expect("an id").to_owned())
        .collect()
}

async fn ask_and_download(person: &Person, body: &Value) -> (Reply, Vec<u8>) {
    let id = person.ask_record(body).await;
    let record = person.until_record(&id).await;
    assert_eq!(record.text("/status"), "available", "{:?}", record.body);
    let bytes = person.download(&record).await;
    assert_eq!(record.text("/sha256"), hex::encode(Sha256::digest(&bytes)));
    (record, bytes)
}

/// A sandbox, a person, and the resources of the record from the person's only pull.
async fn with_record() -> (TestApp, Person, Vec<Value>) {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["hie"]).await).await;
    let whole = resources(&nora.download(&nora.final_record(&pull).await).await);
    (app, nora, whole)
}

/// The days at one third and two thirds of a record's dates.
fn span_inside(whole: &[Value]) -> (&str, &str) {
    let dates: BTreeSet<&str> = whole
        .iter()
        .filter_map(|r| r["effectiveDateTime"].as_str())
        .map(|date| &date[..10])
        .collect();
    let dates: Vec<&str> = dates.into_iter().collect();
    (dates[dates.len() / 3], dates[dates.len() * 2 / 3])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn filtered_record_has_only_the_requested_resources() {
    let (app, nora, whole) = with_record().await;
    let (from, to) = span_inside(&whole);
    let body = json!({ "conversionType": "json", "resources": ["Observation"], "dateFrom": from, "dateTo": to });
    let (record, bytes) = ask_and_download(&nora, &body).await;
    for (name, value) in body.as_object().unwrap() {
        assert_eq!(&record.body[name], value);
    }
    let part = resources(&bytes);
    let in_span = |r: &&Value| {
        r["effectiveDateTime"]
            .as_str()
            .is_some_and(|date| from <= &date[..10] && &date[..10] <= to)
    };
    let expected: Vec<Value> = whole.iter().filter(in_span).cloned().collect();
    let expected = ids(&expected, "Observation");
    assert!(!expected.is_empty() && expected.len() < ids(&whole, "Observation").len());
    assert_eq!(ids(&part, "Observation"), expected);
    for absent in ["Immunization", "Procedure", "AllergyIntolerance"] {
        assert!(
            !ids(&whole, absent).is_empty() && ids(&part, absent).is_empty(),
            "{absent}"
        );
    }
    assert_eq!(record.number("/counts/Observation"), expected.len() as u64);
    app.end().await;
}

async fn ask_pdf(person: &Person) -> Reply {
    let (pdf, bytes) = ask_and_download(person, &json!({ "conversionType": "pdf" })).await;
    assert!(bytes.starts_with(b"%PDF-") && pdf.body.get("counts").is_none());
    pdf
}

async fn ask_html(person: &Person) -> Reply {
    let (html, bytes) = ask_and_download(person, &json!({ "conversionType": "html" })).await;
    assert!(bytes.starts_with(b"<!doctype html>") && html.body.get("counts").is_none());
    html
}

/// Asks for a period that has no resources. The record is empty, and has no link.
async fn ask_empty(person: &Person) -> Reply {
    let body = json!({
        "conversionType": "json", "resources": ["Observation"],
        "dateFrom": "1900-01-01", "dateTo": "1900-12-31",
    });
    let empty = person.until_record(&person.ask_record(&body).await).await;
    assert_eq!(
        (empty.text("/status"), empty.text("/next/action")),
        ("empty".into(), "none".into())
    );
    assert!(empty.body.get("link").is_none());
    empty
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_every_conversion_are_listed_newest_first() {
    let (app, nora, _) = with_record().await;
    let (json_form, _) = ask_and_download(&nora, &json!({ "conversionType": "json" })).await;
    let pdf = ask_pdf(&nora).await;
    let html = ask_html(&nora).await;
    let empty = ask_empty(&nora).await;
    let list = nora.records().await;
    let listed: Vec<&Value> = list.list("/records").iter().map(|record| &record["id"]).collect();
    let newest = [&empty, &html, &pdf, &json_form].map(|record| &record.body["id"]);
    assert_eq!(listed[..4], newest);
    assert!(listed.len() == 5 && list.list("/records").iter().all(|record| record.get("link").is_none()));
    // The empty record has no object in the bucket.
    assert_eq!(app.objects().await.len(), listed.len() - 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_read_mints_a_link_for_one_minute() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.pull().await;
    let first = nora.final_record(&pull).await;
    let link = first.text("/link/url");
    let query: std::collections::BTreeMap<String, String> =
        url::Url::parse(&link).unwrap().query_pairs().into_owned().collect();
    assert_eq!(query["X-Amz-Expires"], "60");
    let answer = nora.app.follow(&link).await.unwrap();
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let name = format!(
        "attachment; filename=\"record-{}.json\"",
        &first.text("/createdAt")[..10]
    );
    assert_eq!(header("content-disposition"), name);
    assert_eq!(
        (header("cache-control"), header("content-type")),
        ("no-store".into(), "application/fhir+json".into())
    );
    for forged in [
        link.replace("X-Amz-Expires=60", "X-Amz-Expires=3600"),
        link.replace("record-", "other-"),
    ] {
        assert_ne!(forged, link);
        assert_eq!(nora.app.follow(&forged).await.unwrap().status().as_u16(), 403);
    }
    // Each link is signed with the time of its request, so a later link is different.
    until("another look gives another link", async || {
        (nora.final_record(&pull).await.text("/link/url") != link).then_some(())
    })
    .await;
    app.end().await;
}

/// Metriport keeps one file per patient and conversion, so a patient may have only one running consolidated query.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_one_patient_are_queried_one_at_a_time() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    assert_eq!(nora.pull().await.text("/status"), "completed");
    let query_starts = || app.stand_in().stats().calls(Operation::StartConsolidatedQuery);
    let before = query_starts();
    app.stand_in().hold_webhooks();
    let (json_form, pdf_form) = (json!({ "conversionType": "json" }), json!({ "conversionType": "pdf" }));
    let (a, b) = tokio::join!(nora.ask_record(&json_form), nora.ask_record(&pdf_form));
    let held = app.until_held("medical.consolidated-data", 1).await.remove(0);
    // The test waits until the other record has found the lock taken at least twice.
    until("the other record waits for the lock", async || {
        let log = app.log();
        let waits = |id: &str| {
            log.iter()
                .filter(|line| line.contains(id) && line.contains("Waiting"))
                .count()
        };
        (waits(&a) + waits(&b) >= 2).then_some(())
    })
    .await;
    assert_eq!(
        query_starts(),
        before + 1,
        "two consolidated queries of one patient at once"
    );
    let waiting = [
        nora.record(&a).await.text("/status"),
        nora.record(&b).await.text("/status"),
    ];
    assert_eq!(
        waiting.iter().filter(|status| *status == "waiting").count(),
        1,
        "{waiting:?}"
    );
    assert_eq!(app.stand_in().release(&[held.index]).await, [Ok(200)]);
    app.until_held("medical.consolidated-data", 1).await;
    app.stand_in().release_all().await;
    for id in [&a, &b] {
        assert_eq!(nora.until_record(id).await.text("/status"), "available");
    }
    assert_eq!(query_starts(), before + 2);
    app.end().await;
}

/// While another record holds the patient's lock, each message of the waiting record leads to another message. The
/// chain becomes longer than Lambda permits a function that is not allowed to loop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_waiting_long_is_not_stopped_as_a_loop() {
    let app = TestApp::with(|options| options.time_scale = 60).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    assert_eq!(nora.pull().await.text("/status"), "completed");
    app.stand_in().hold_webhooks();
    let (json_form, pdf_form) = (json!({ "conversionType": "json" }), json!({ "conversionType": "pdf" }));
    let (a, b) = tokio::join!(nora.ask_record(&json_form), nora.ask_record(&pdf_form));
    let held = app.until_held("medical.consolidated-data", 1).await.remove(0);
    let hops = || app.sandbox().host().hops();
    until("the chain is longer than Lambda allows", async || {
        (hops()["query-dispatch"].most > 20).then_some(())
    })
    .await;
    assert_eq!(app.stand_in().release(&[held.index]).await, [Ok(200)]);
    app.until_held("medical.consolidated-data", 1).await;
    app.stand_in().release_all().await;
    for id in [&a, &b] {
        assert_eq!(nora.until_record(id).await.text("/status"), "available");
    }
    for (function, hops) in hops() {
        assert_eq!(hops.dropped, 0, "{function}");
        assert!(
            hops.most <= 2 || function == "query-dispatch",
            "{function}: {}",
            hops.most
        );
    }
    app.end().await;
}
