use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::date;
use sandbox_fhir::{CHUNK_BYTES, NetworkRecord, RecordFilter, Source, bundle_text, split};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::support::{small_bundle, text};

fn small_record() -> Arc<NetworkRecord> {
    Arc::new(split(&small_bundle()).unwrap())
}

fn ids(sources: &[Source], filter: &RecordFilter) -> Vec<String> {
    let bundle: Value = serde_json::from_str(&text(bundle_text(small_record(), sources, filter))).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(bundle.get("total"), None, "only searches have a total");
    entries
        .iter()
        .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn types(names: &[&str]) -> Option<BTreeSet<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn record_of_two_resources_has_the_expected_text() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let record = NetworkRecord {
        hie: vec![raw(r#"{"resourceType":"Patient","id":"p-1","n":1.50}"#).into()],
        pharmacy: Vec::new(),
        lab: vec![raw(r#"{ "resourceType" : "Observation" }"#).into()],
    };
    let written = text(bundle_text(Arc::new(record), &Source::ALL, &RecordFilter::default()));
    let expected = concat!(
        r#"{"resourceType":"Bundle","type":"collection","entry":["#,
        r#"{"fullUrl":"urn:id:p-1","resource":{"resourceType":"Patient","id":"p-1","n":1.50}},"#,
        r#"{"resource":{ "resourceType" : "Observation" }}]}"#
    );
    assert_eq!(written, expected);
}

#[test]
fn empty_record_is_a_bundle_without_entries() {
    let bundle = bundle_text(Arc::default(), &Source::ALL, &RecordFilter::default());
    let length = bundle.content_length();
    let written = text(bundle);
    assert_eq!(written, r#"{"resourceType":"Bundle","type":"collection","entry":[]}"#);
    assert_eq!(length, written.len() as u64);
}

#[test]
fn each_chosen_source_is_written_once() {
    assert_eq!(
        ids(&[Source::Lab], &RecordFilter::default()),
        ["creatinine-1", "lab-report-1"]
    );
    let doubled = [Source::Lab, Source::Pharmacy, Source::Lab];
    let expected = [
        "request-1",
        "dispense-1",
        "medication-1",
        "statement-1",
        "creatinine-1",
        "lab-report-1",
    ];
    assert_eq!(ids(&doubled, &RecordFilter::default()), expected);
    assert!(ids(&[], &RecordFilter::default()).is_empty());
}

#[test]
fn types_are_chosen_by_their_exact_name() {
    let filter = |names| RecordFilter {
        resource_types: types(names),
        ..RecordFilter::default()
    };
    assert_eq!(
        ids(&Source::ALL, &filter(&["Patient", "Medication"])),
        ["patient-1", "medication-1"]
    );
    assert!(ids(&Source::ALL, &filter(&["patient"])).is_empty());
    assert!(ids(&Source::ALL, &filter(&[])).is_empty());
}

#[test]
fn both_ends_of_a_range_of_dates_count() {
    let filter = RecordFilter {
        date_from: Some(date(2019, 3, 31)),
        date_to: Some(date(2019, 4, 1)),
        ..RecordFilter::default()
    };
    // Patient, Organization, AllergyIntolerance and Medication have no date here, so they are in every range.
    let expected = [
        "patient-1",
        "organization-1",
        "encounter-1",
        "weight-1",
        "allergy-1",
        "medication-1",
        "creatinine-1",
    ];
    assert_eq!(ids(&Source::ALL, &filter), expected);
    let from = RecordFilter {
        date_from: Some(date(2024, 10, 2)),
        ..RecordFilter::default()
    };
    assert_eq!(
        ids(&Source::ALL, &from),
        ["patient-1", "organization-1", "allergy-1", "vaccine-1", "medication-1"]
    );
    let to = RecordFilter {
        date_to: Some(date(2015, 1, 1)),
        ..RecordFilter::default()
    };
    assert_eq!(
        ids(&Source::ALL, &to),
        [
            "patient-1",
            "organization-1",
            "condition-1",
            "allergy-1",
            "medication-1"
        ]
    );
}

#[test]
fn referenced_resources_are_added_on_request() {
    let filter = |names, with_referenced| RecordFilter {
        resource_types: types(names),
        with_referenced,
        ..RecordFilter::default()
    };
    assert_eq!(
        ids(&Source::ALL, &filter(&["MedicationDispense"], false)),
        ["dispense-1"]
    );
    // The dispense also refers to a MedicationRequest, but a reference never adds a clinical event.
    assert_eq!(
        ids(&Source::ALL, &filter(&["MedicationDispense"], true)),
        ["dispense-1", "medication-1"]
    );
    let encounter = ["patient-1", "organization-1", "encounter-1"];
    assert_eq!(ids(&Source::ALL, &filter(&["Encounter"], true)), encounter);
}

/// Each entry's `fullUrl`, with its resource's id.
fn names(record: NetworkRecord) -> Vec<(Value, Value)> {
    let bundle = bundle_text(Arc::new(record), &Source::ALL, &RecordFilter::default());
    let length = bundle.content_length();
    let written = text(bundle);
    assert_eq!(written.len() as u64, length);
    let bundle: Value = serde_json::from_str(&written).unwrap();
    let entries = bundle["entry"].as_array().unwrap().iter();
    entries
        .map(|entry| (entry["fullUrl"].clone(), entry["resource"]["id"].clone()))
        .collect()
}

fn record_of(entries: &[&str]) -> NetworkRecord {
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(","));
    split(bundle.as_bytes()).unwrap()
}

#[test]
fn entry_keeps_its_full_url_or_gets_a_derived_one() {
    const UUID: &str = "0198a0e1-0000-7000-8000-000000000001";
    let entry =
        |url: &str, kind: &str, id: &str| format!(r#"{{{url}"resource":{{"resourceType":"{kind}","id":"{id}"}}}}"#);
    let own = entry(r#""fullUrl":"https:\/\/a.test/Patient/1","#, "Patient", "1");
    let (derived, named) = (entry("", "Condition", UUID), entry("", "Condition", "c.1"));
    // The `fullUrl` from the id of `taken` belongs to `derived`. The one of `odd` is not a string, so it is ignored.
    let (taken, odd) = (entry("", "Procedure", UUID), entry(r#""fullUrl":7,"#, "Goal", "g-1"));
    let (nameless, before) = (r#"{"resource":{"resourceType":"Goal"}}"#, entry("", "Goal", "c.1"));
    let record = record_of(&[&own, &derived, &named, &taken, &odd, nameless, &before]);
    let expected = [
        (json!("https://a.test/Patient/1"), json!("1")),
        (json!(format!("urn:uuid:{UUID}")), json!(UUID)),
        (json!("urn:id:c.1"), json!("c.1")),
        (Value::Null, json!(UUID)),
        (json!("urn:id:g-1"), json!("g-1")),
        (Value::Null, Value::Null),
        (Value::Null, json!("c.1")),
    ];
    assert_eq!(names(record.clone()), expected);
    let written = text(bundle_text(Arc::new(record), &Source::ALL, &RecordFilter::default()));
    assert!(
        written.contains(r#""fullUrl":"https:\/\/a.test/Patient/1","#),
        "{written}"
    );
}

#[test]
fn links_by_full_url_are_followed() {
    let record = record_of(&[
        r#"{"fullUrl":"urn:uuid:here","resource":{"resourceType":"Patient","id":"elsewhere"}}"#,
        r#"{"resource":{"resourceType":"Goal","id":"g-1","subject":{"reference":"urn:uuid:here"}}}"#,
    ]);
    let filter = RecordFilter {
        resource_types: types(&["Goal"]),
        with_referenced: true,
        ..RecordFilter::default()
    };
    assert_eq!(bundle_text(Arc::new(record), &Source::ALL, &filter).total(), 2);
}

#[test]
fn references_follow_a_replaced_patient() {
    let record = record_of(&[
        r#"{"fullUrl":"urn:uuid:a","resource":{"resourceType":"Patient","id":"a-1"}}"#,
        r#"{"resource":{"resourceType":"Patient","id":"b-1"}}"#,
        r#"{"resource":{"resourceType":"Goal","id":"g-1","subject":{"reference":"urn:uuid:a"}}}"#,
        r#"{"resource":{"resourceType":"Goal","id":"g-2","subject":{"reference" : "Patient/b-1"},"n":1.50}}"#,
    ]);
    let record = Arc::new(record.with_links_to("new-1"));
    let patient = || RawValue::from_string(r#"{"resourceType":"Patient","id":"new-1"}"#.to_owned()).unwrap();
    let write = |filter: &RecordFilter| {
        let bundle = bundle_text(Arc::clone(&record), &Source::ALL, filter).with_patient(patient().into());
        let (total, length) = (bundle.total(), bundle.content_length());
        assert_eq!(bundle.resources().count(), total);
        let written = text(bundle);
        assert_eq!(written.len() as u64, length);
        written
    };
    let expected = concat!(
        r#"{"resourceType":"Bundle","type":"collection","entry":["#,
        r#"{"fullUrl":"urn:id:g-1","resource":"#,
        r#"{"resourceType":"Goal","id":"g-1","subject":{"reference":"Patient/new-1"}}},"#,
        r#"{"fullUrl":"urn:id:g-2","resource":"#,
        r#"{"resourceType":"Goal","id":"g-2","subject":{"reference" : "Patient/new-1"},"n":1.50}},"#,
        r#"{"fullUrl":"urn:id:new-1","resource":{"resourceType":"Patient","id":"new-1"}}]}"#
    );
    assert_eq!(write(&RecordFilter::default()), expected);
    let none = RecordFilter {
        resource_types: types(&["Coverage"]),
        ..RecordFilter::default()
    };
    assert_eq!(
        write(&none),
        r#"{"resourceType":"Bundle","type":"collection","entry":[]}"#
    );
}

#[test]
fn chunks_are_full_and_add_up() {
    let long = format!(
        r#"{{"resourceType":"Binary","data":"{}"}}"#,
        "A".repeat(3 * CHUNK_BYTES + 17)
    );
    let mut record = split(&small_bundle()).unwrap();
    record.hie.push(RawValue::from_string(long.clone()).unwrap().into());
    let mut bundle = bundle_text(Arc::new(record), &Source::ALL, &RecordFilter::default());
    let length = bundle.content_length();
    let chunks: Vec<_> = bundle.by_ref().collect();
    let (last, full) = chunks.split_last().unwrap();
    assert_eq!(full.len(), 3);
    assert!(full.iter().all(|chunk| chunk.len() == CHUNK_BYTES) && last.len() <= CHUNK_BYTES);
    assert_eq!(chunks.iter().map(|chunk| chunk.len() as u64).sum::<u64>(), length);
    assert_eq!(
        bundle.content_length(),
        length,
        "the length is that of the whole text, also at its end"
    );
    assert!(String::from_utf8(chunks.concat()).unwrap().contains(&long));
}

#[test]
fn bundle_text_can_be_sent_to_another_thread() {
    fn sendable<T: Send + Sync + 'static>(_: &T) {}
    sendable(&bundle_text(Arc::default(), &Source::ALL, &RecordFilter::default()));
}
