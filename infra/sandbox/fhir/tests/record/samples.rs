//! Properties of every sample record, for any seed and any day.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::civil::{Date, date};
use sandbox_fhir::{NetworkRecord, RecordFilter, Source, adapt_sample, bundle_text, resource_date};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::text;

const TODAY: Date = date(2025, 6, 18);
/// Birth dates that select the older and the younger patient's record.
const BIRTH_DATES: [Date; 2] = [date(1961, 4, 12), date(1994, 9, 30)];

fn written(record: NetworkRecord) -> String {
    text(bundle_text(Arc::new(record), &Source::ALL, &RecordFilter::default()))
}

fn entries(record: NetworkRecord) -> Vec<Value> {
    let mut bundle: Value = serde_json::from_str(&written(record)).unwrap();
    serde_json::from_value(bundle["entry"].take()).unwrap()
}

fn ids(record: NetworkRecord) -> BTreeSet<Uuid> {
    let entries = entries(record);
    let ids = entries
        .iter()
        .map(|entry| entry["resource"]["id"].as_str().unwrap().parse().unwrap());
    ids.collect()
}

/// Every day that the text names, in order.
fn days(text: &str) -> Vec<Date> {
    let strings = text.split('"').filter(|string| string.as_bytes().get(4) == Some(&b'-'));
    strings.filter_map(|string| string.get(..10)?.parse().ok()).collect()
}

#[test]
fn same_seed_gives_the_same_bytes() {
    for birth_date in BIRTH_DATES {
        let make = |seed, today| written(adapt_sample(seed, birth_date, today));
        assert_eq!(make(7, TODAY), make(7, TODAY));
        assert_ne!(make(7, TODAY), make(8, TODAY));
    }
}

#[test]
fn records_of_two_seeds_have_different_ids() {
    for birth_date in BIRTH_DATES {
        let [one, two] = [7, 8].map(|seed| adapt_sample(seed, birth_date, TODAY));
        let total = one.len();
        let (one, two) = (ids(one), ids(two));
        assert_eq!((one.len(), two.len()), (total, total), "ids are unique");
        assert!(one.is_disjoint(&two));
        let versions = |ids: &BTreeSet<Uuid>| ids.iter().map(Uuid::get_version_num).collect::<BTreeSet<_>>();
        assert!(
            versions(&one).is_subset(&BTreeSet::from([3, 4])),
            "{:?}",
            versions(&one)
        );
    }
}

#[test]
fn every_reference_resolves_within_the_record() {
    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("reference").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| collect(value, found));
            }
            Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
            _ => {}
        }
    }
    for birth_date in BIRTH_DATES {
        let entries = entries(adapt_sample(7, birth_date, TODAY));
        let urls: BTreeSet<&str> = entries.iter().map(|entry| entry["fullUrl"].as_str().unwrap()).collect();
        assert_eq!(urls.len(), entries.len());
        let mut references = Vec::new();
        for entry in &entries {
            let id = entry["resource"]["id"].as_str().unwrap();
            assert_eq!(entry["fullUrl"], format!("urn:uuid:{id}"));
            collect(&entry["resource"], &mut references);
        }
        assert!(references.len() > entries.len());
        for reference in references {
            assert!(urls.contains(reference.as_str()), "{reference}");
        }
    }
}

#[test]
fn all_dates_move_by_the_same_weeks() {
    for birth_date in BIRTH_DATES {
        let of_seed = |seed| days(&written(adapt_sample(seed, birth_date, TODAY)));
        let first = of_seed(0);
        let mut shifts = BTreeSet::new();
        for seed in 1..8 {
            let other = of_seed(seed);
            assert_eq!(first.len(), other.len());
            let of_record: BTreeSet<i32> = first
                .iter()
                .zip(&other)
                .map(|(one, two)| (*two - *one).get_days())
                .collect();
            assert_eq!(of_record.len(), 1, "seed {seed}: {of_record:?}");
            shifts.extend(of_record);
        }
        assert!(
            shifts.len() > 1 && shifts.iter().all(|shift| shift % 7 == 0),
            "{shifts:?}"
        );
    }
}

#[test]
fn last_date_is_weeks_before_the_pull() {
    let todays = [
        date(2026, 11, 22),
        date(2024, 2, 29),
        date(2001, 1, 1),
        date(2061, 9, 1),
    ];
    for (today, seed) in todays.into_iter().zip(0..) {
        for birth_date in BIRTH_DATES {
            let record = adapt_sample(seed, birth_date, today);
            let spans = record.resources().filter_map(resource_date);
            let last = spans.map(|span| span.last).max().unwrap();
            assert_eq!(days(&written(record)).into_iter().max(), Some(last));
            let ago = (today - last).get_days();
            assert!((7..7 * 27).contains(&ago), "seed {seed}, {today}: {last}");
        }
    }
}

#[test]
fn older_record_begins_after_the_youngest_birth_date() {
    // The youngest person who gets the older patient's record. The younger patient's record is not tested: it begins in
    // childhood, so a younger person can get it.
    let birth_date = date(1989, 12, 31);
    let record = adapt_sample(3, birth_date, TODAY);
    assert!(days(&written(record)).iter().all(|day| *day > birth_date));
}

#[test]
fn each_source_has_its_own_resource_types() {
    for birth_date in BIRTH_DATES {
        let record = adapt_sample(7, birth_date, TODAY);
        let types = |source| {
            let types = record.part(source).iter().map(|entry| entry.resource_type());
            types.collect::<BTreeSet<_>>()
        };
        assert_eq!(types(Source::Pharmacy), BTreeSet::from(["MedicationRequest"]));
        assert_eq!(types(Source::Lab), BTreeSet::from(["DiagnosticReport", "Observation"]));
        for name in ["Condition", "Encounter", "Immunization", "Observation", "Procedure"] {
            assert!(types(Source::Hie).contains(name), "born {birth_date}: no {name}");
        }
    }
}

#[test]
fn samples_keep_only_the_id_of_the_synthetic_person() {
    for birth_date in BIRTH_DATES {
        let record = adapt_sample(7, birth_date, TODAY);
        let bundle = written(record.clone());
        for word in [
            "Champlin",
            "Clint",
            "Simonis",
            "Williamson",
            "Delbert",
            "Heller",
            "999-",
        ] {
            assert!(!bundle.contains(word), "{word}");
        }
        assert!(!bundle.contains("\"request\""));
        let entries = entries(record);
        let resources = entries.iter().map(|entry| &entry["resource"]);
        let patients: Vec<&Value> = resources
            .filter(|resource| resource["resourceType"] == "Patient")
            .collect();
        assert_eq!(
            patients,
            [&json!({ "resourceType": "Patient", "id": patients[0]["id"] })]
        );
    }
}

#[test]
fn sample_sizes_match_the_readme() {
    let measure = |birth_date| {
        let bundle = bundle_text(
            Arc::new(adapt_sample(7, birth_date, TODAY)),
            &Source::ALL,
            &RecordFilter::default(),
        );
        (bundle.total(), bundle.content_length())
    };
    let [(older, older_bytes), (younger, younger_bytes)] = BIRTH_DATES.map(measure);
    assert_eq!((older, younger), (176, 93));
    assert!(
        older_bytes < 149_000,
        "with a Patient, it is to stay below 150 kB: {older_bytes}"
    );
    assert!(younger_bytes < 80_000, "{younger_bytes}");
}
