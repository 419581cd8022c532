use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::date;
use sandbox_fhir::{CHUNK_BYTES, NetworkRecord, RecordFilter, Source, bundle_text, split};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::support::{small_bundle, text};

fn small_record() -> Arc<NetworkRecord> {
    Arc::new(split(&small_bundle()).unwrap())
}

fn ids(sources: &[Source], filter: &RecordFilter) -> Vec<String> {
    let bundle: Value = serde_json::from_str(&text(bundle_text(small_record(), sources, filter))).unwrap();
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(bundle["total"], entries.len());
    entries
        .iter()
        .map(|entry| entry["resource"]["id"].as_str().unwrap().to_owned())
        .collect()
}

fn types(names: &[&str]) -> Option<BTreeSet<String>> {
    Some(names.iter().map(|name| (*name).to_owned()).collect())
}

#[test]
fn a_record_of_two_is_written_so() {
    let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
    let record = NetworkRecord {
        hie: vec![raw(r#"{"resourceType":"Patient","n":1.50}"#)],
        pharmacy: Vec::new(),
        lab: vec![raw(r#"{ "resourceType" : "Observation" }"#)],
    };
    let written = text(bundle_text(Arc::new(record), &Source::ALL, &RecordFilter::default()));
    let expected = concat!(
        r#"{"resourceType":"Bundle","type":"collection","total":2,"entry":["#,
        r#"{"resource":{"resourceType":"Patient","n":1.50}},{"resource":{ "resourceType" : "Observation" }}]}"#
    );
    assert_eq!(written, expected);
}

#[test]
fn an_empty_record_is_a_bundle_without_entries() {
    let bundle = bundle_text(Arc::default(), &Source::ALL, &RecordFilter::default());
    let length = bundle.content_length();
    let written = text(bundle);
    assert_eq!(
        written,
        r#"{"resourceType":"Bundle","type":"collection","total":0,"entry":[]}"#
    );
    assert_eq!(length, written.len() as u64);
}

#[test]
fn only_the_chosen_sources_are_written_once_each() {
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
    // Patient, Organization, AllergyIntolerance and Medication have no date here, which is in every range.
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
fn referenced_resources_come_along_when_asked_for() {
    let filter = |names, with_referenced| RecordFilter {
        resource_types: types(names),
        with_referenced,
        ..RecordFilter::default()
    };
    assert_eq!(
        ids(&Source::ALL, &filter(&["MedicationDispense"], false)),
        ["dispense-1"]
    );
    let dispense = ["patient-1", "request-1", "dispense-1", "medication-1"];
    assert_eq!(ids(&Source::ALL, &filter(&["MedicationDispense"], true)), dispense);
    assert_eq!(
        ids(&[Source::Pharmacy], &filter(&["MedicationDispense"], true)),
        &dispense[1..]
    );
    let encounter = ["patient-1", "organization-1", "encounter-1"];
    assert_eq!(ids(&Source::ALL, &filter(&["Encounter"], true)), encounter);
}

#[test]
fn chunks_are_full_and_add_up() {
    let long = format!(
        r#"{{"resourceType":"Binary","data":"{}"}}"#,
        "A".repeat(3 * CHUNK_BYTES + 17)
    );
    let mut record = split(&small_bundle()).unwrap();
    record.hie.push(RawValue::from_string(long.clone()).unwrap());
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
fn a_bundle_can_be_sent_to_another_thread() {
    fn sendable<T: Send + Sync + 'static>(_: &T) {}
    sendable(&bundle_text(Arc::default(), &Source::ALL, &RecordFilter::default()));
}
