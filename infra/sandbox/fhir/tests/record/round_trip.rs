//! Tests that contents survive reading and writing, with generated Bundles that have any number text, escape and
//! spacing.

use std::sync::Arc;

use jiff::civil::Date;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use sandbox_fhir::{RecordFilter, Source, bundle_text, split, summary};

use crate::support::{multiset, record_texts, resource_texts, text};

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 200,
        rng_seed: RngSeed::Fixed(0x4941_5331),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

fn space() -> impl Strategy<Value = String> {
    "[ \t\n\r]{0,3}"
}

fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?",
        r#""([a-z é東]|\\u[0-9a-f]{4}|\\n|\\/|\\\\|\\"){0,8}""#,
        r#""(19|20)[0-9]{2}(-(0[1-9]|1[0-2])(-[0-3][0-9])?)?""#,
        Just("null".to_owned()),
        Just("true".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            (vec((inner.clone(), space()), 0..3)).prop_map(|items| {
                let items: Vec<String> = items
                    .into_iter()
                    .map(|(item, space)| format!("{space}{item}"))
                    .collect();
                format!("[{}]", items.join(","))
            }),
            (inner, space()).prop_map(|(inner, space)| format!("{{\"x\"{space}:{inner}{space}}}")),
        ]
    })
}

/// Fields that the crate reads and fields that it ignores, each with a value of any shape.
const FIELDS: [&str; 10] = [
    "category",
    "effectiveDateTime",
    "period",
    "date",
    "meta",
    "issued",
    "id",
    "code",
    "valueQuantity",
    "reference",
];
const TYPES: [&str; 8] = [
    "Patient",
    "Observation",
    "DiagnosticReport",
    "MedicationRequest",
    "MedicationDispense",
    "Medication",
    "Unheard",
    "Bundle",
];
const CATEGORIES: [&str; 4] = ["laboratory", "LAB", "vital-signs", "RAD"];

fn resource() -> impl Strategy<Value = String> {
    let fields = proptest::sample::subsequence(FIELDS.as_slice(), 0..5)
        .prop_flat_map(|names| (vec((value(), space()), names.len()), Just(names)));
    let category = proptest::sample::select(CATEGORIES.as_slice());
    (
        proptest::sample::select(TYPES.as_slice()),
        fields,
        category,
        any::<bool>(),
        space(),
    )
        .prop_map(|(name, (values, names), category, type_last, space)| {
            let mut fields: Vec<String> = names
                .iter()
                .zip(values)
                .filter(|(name, _)| **name != "category")
                .map(|(name, (value, space))| format!("\"{name}\":{space}{value}{space}"))
                .collect();
            fields.push(format!(r#""category":[{{"coding":[{{"code":"{category}"}}]}}]"#));
            let at = if type_last { fields.len() } else { 0 };
            fields.insert(at, format!("\"resourceType\":{space}\"{name}\""));
            format!("{{{space}{}}}", fields.join(","))
        })
}

fn bundle() -> impl Strategy<Value = String> {
    (vec((resource(), space()), 1..12), space()).prop_map(|(resources, outer)| {
        let entries: Vec<String> = resources
            .into_iter()
            .map(|(resource, space)| {
                format!("{{\"fullUrl\":\"urn:x\",{space}\"resource\"{space}:{space}{resource}{space}}}")
            })
            .collect();
        format!(
            "{outer}{{\"type\":\"batch\",\"entry\":[{}]{outer},\"resourceType\":\"Bundle\"}}{outer}",
            entries.join(",")
        )
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn split_keeps_every_resource_exactly_once(input in bundle()) {
        let record = split(input.as_bytes()).unwrap();
        prop_assert_eq!(multiset(record_texts(&record)), multiset(resource_texts(&input)));
    }

    #[test]
    fn written_record_splits_into_the_same_record(input in bundle()) {
        let record = Arc::new(split(input.as_bytes()).unwrap());
        let bundle = bundle_text(Arc::clone(&record), &Source::ALL, &RecordFilter::default());
        let length = bundle.content_length();
        let written = text(bundle);
        prop_assert_eq!(written.len() as u64, length);
        prop_assert_eq!(resource_texts(&written), record_texts(&record));
        let again = split(written.as_bytes()).unwrap();
        for source in Source::ALL {
            prop_assert_eq!(again.part(source).len(), record.part(source).len());
        }
        prop_assert_eq!(record_texts(&again), record_texts(&record));
        prop_assert_eq!(summary(written.as_bytes()).unwrap().total, record.len() as u64);
    }

    #[test]
    fn complementary_date_filters_keep_each_dated_resource_once(input in bundle(), year in 1900_i16..2100) {
        let record = Arc::new(split(input.as_bytes()).unwrap());
        let (before, after) = (Date::new(year - 1, 12, 31).unwrap(), Date::new(year, 1, 1).unwrap());
        let count_resources = |filter: RecordFilter| bundle_text(Arc::clone(&record), &Source::ALL, &filter).total();
        let until = count_resources(RecordFilter { date_to: Some(before), ..RecordFilter::default() });
        let since = count_resources(RecordFilter { date_from: Some(after), ..RecordFilter::default() });
        let undated = record.resources().filter(|resource| sandbox_fhir::resource_date(resource).is_none()).count();
        // A date covers at most one calendar year, so it never overlaps both ranges.
        prop_assert_eq!(until + since, record.len() + undated);
    }
}
