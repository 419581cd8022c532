//! What every generated record keeps, whoever it is about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, date};
use sandbox_fhir::{Gender, NetworkRecord, Source, generate, resource_date};
use serde_json::Value;

use crate::people::{codes, count, parsed, samples};
use crate::support::{TODAY, person, record_texts};

#[test]
fn same_seed_same_bytes() {
    for gender in [Gender::Female, Gender::Unknown] {
        let person = person(date(1961, 4, 12), gender);
        let (one, two) = (generate(7, &person, TODAY), generate(7, &person, TODAY));
        assert_eq!(record_texts(&one), record_texts(&two));
        assert_ne!(record_texts(&one), record_texts(&generate(8, &person, TODAY)));
    }
}

#[test]
fn two_people_share_no_id_but_may_share_a_seed() {
    let ids = |record: &NetworkRecord| {
        let ids = parsed(record)
            .into_iter()
            .map(|resource| resource["id"].as_str().unwrap().to_owned());
        ids.collect::<BTreeSet<_>>()
    };
    let ida = person(date(1961, 4, 12), Gender::Female);
    let mut ned = ida.clone();
    ned.id = "0198a0e1-0000-7000-8000-000000000002".to_owned();
    ned.given = "Ned".to_owned();
    let (ida, ned) = (generate(7, &ida, TODAY), generate(7, &ned, TODAY));
    assert!(ids(&ida).is_disjoint(&ids(&ned)));
    assert_eq!(ids(&ida).len(), ida.len(), "ids are unique");
}

#[test]
fn references_resolve_within_the_record() {
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
    for (seed, birth, record) in samples() {
        let resources = parsed(&record);
        let name = |resource: &Value| {
            format!(
                "{}/{}",
                resource["resourceType"].as_str().unwrap(),
                resource["id"].as_str().unwrap()
            )
        };
        let known: BTreeSet<String> = resources.iter().map(name).collect();
        for resource in &resources {
            let mut references = Vec::new();
            collect(resource, &mut references);
            for reference in references {
                assert!(
                    known.contains(&reference),
                    "seed {seed}, born {birth}: {} refers to {reference}",
                    name(resource)
                );
            }
        }
    }
}

#[test]
fn an_adult_has_every_kind_of_resource_in_its_place() {
    for (seed, birth, record) in samples() {
        let total = record.len();
        let resources = parsed(&record);
        assert_eq!(count(&resources, "Patient"), 1, "seed {seed}, born {birth}");
        assert_eq!(
            serde_json::from_str::<Value>(
                record
                    .hie
                    .iter()
                    .find(|entry| entry.resource_type() == "Patient")
                    .unwrap()
                    .resource()
                    .get()
            )
            .unwrap()["birthDate"],
            birth.to_string()
        );
        assert!(total <= 250, "seed {seed}, born {birth}: {total}");
        if birth > date(2005, 1, 1) {
            continue;
        }
        assert!(total >= 120, "seed {seed}, born {birth}: {total}");
        for name in [
            "Organization",
            "Practitioner",
            "Encounter",
            "Condition",
            "Observation",
            "MedicationRequest",
            "MedicationDispense",
            "Immunization",
            "AllergyIntolerance",
            "Procedure",
            "DiagnosticReport",
            "DocumentReference",
            "Coverage",
        ] {
            assert!(count(&resources, name) > 0, "seed {seed}, born {birth}: no {name}");
        }
    }
}

#[test]
fn the_size_holds_whatever_the_day() {
    for (today, seed) in [
        date(2026, 11, 22),
        date(2025, 1, 1),
        date(2024, 2, 29),
        date(2031, 9, 1),
    ]
    .into_iter()
    .zip(0..)
    {
        for birth in [date(1994, 9, 30), date(1961, 4, 12), date(1931, 12, 31)] {
            for seed in [seed, seed + 10, seed + 20] {
                let total = generate(seed, &person(birth, Gender::Male), today).len();
                assert!(
                    (120..=250).contains(&total),
                    "seed {seed}, born {birth}, {today}: {total}"
                );
            }
        }
    }
}

#[test]
fn parts_are_those_a_split_would_make() {
    for (_, _, record) in samples() {
        let texts: Vec<String> = record_texts(&record)
            .into_iter()
            .map(|text| format!("{{\"resource\":{text}}}"))
            .collect();
        let bundle = format!("{{\"resourceType\":\"Bundle\",\"entry\":[{}]}}", texts.join(","));
        let again = sandbox_fhir::split(bundle.as_bytes()).unwrap();
        for source in Source::ALL {
            assert_eq!(
                again.part(source).len(),
                record.part(source).len(),
                "{}",
                source.as_str()
            );
        }
        assert_eq!(record_texts(&again), record_texts(&record));
    }
}

#[test]
fn everything_lies_between_birth_and_today() {
    for (seed, birth, record) in samples() {
        for resource in record.resources() {
            if let Some(span) = resource_date(resource) {
                assert!(
                    birth <= span.first && span.last <= TODAY,
                    "seed {seed}, born {birth}: {}",
                    resource.get()
                );
            }
        }
        for resource in parsed(&record) {
            for field in ["issued", "recordedDate", "abatementDateTime", "whenHandedOver", "date"] {
                let day = resource[field].as_str().map(|text| text[..10].parse::<Date>().unwrap());
                assert!(
                    day.is_none_or(|day| birth <= day && day <= TODAY),
                    "seed {seed}, born {birth}: {field}"
                );
            }
        }
    }
    let unborn = generate(1, &person(date(2030, 1, 1), Gender::Male), TODAY);
    assert_eq!(count(&parsed(&unborn), "Encounter"), 0);
}

#[test]
fn clinical_resources_are_coded() {
    let field_of = BTreeMap::from([
        ("Condition", ("code", "http://snomed.info/sct")),
        ("Observation", ("code", "http://loinc.org")),
        ("DiagnosticReport", ("code", "http://loinc.org")),
        (
            "MedicationRequest",
            (
                "medicationCodeableConcept",
                "http://www.nlm.nih.gov/research/umls/rxnorm",
            ),
        ),
        (
            "MedicationDispense",
            (
                "medicationCodeableConcept",
                "http://www.nlm.nih.gov/research/umls/rxnorm",
            ),
        ),
        ("Immunization", ("vaccineCode", "http://hl7.org/fhir/sid/cvx")),
        ("AllergyIntolerance", ("code", "http://snomed.info/sct")),
        ("Procedure", ("code", "http://snomed.info/sct")),
        ("DocumentReference", ("type", "http://loinc.org")),
    ]);
    let mut seen = BTreeSet::new();
    for (_, _, record) in samples() {
        for resource in parsed(&record) {
            let name = resource["resourceType"].as_str().unwrap();
            let Some((name, (field, system))) = field_of.get_key_value(name) else {
                continue;
            };
            assert_eq!(codes(&resource, field, system).len(), 1, "{resource}");
            if *name == "Condition" {
                assert_eq!(
                    codes(&resource, field, "http://hl7.org/fhir/sid/icd-10-cm").len(),
                    1,
                    "{resource}"
                );
            }
            seen.insert(*name);
        }
    }
    assert_eq!(seen.len(), field_of.len());
}

#[test]
fn some_systems_name_themselves_and_some_do_not() {
    for (_, birth, record) in samples().into_iter().filter(|(_, birth, _)| *birth < date(2005, 1, 1)) {
        let named = |source: Source| {
            record
                .part(source)
                .iter()
                .filter(|entry| entry.resource().get().contains("\"meta\":{\"source\""))
                .count()
        };
        assert_eq!(named(Source::Lab), record.lab.len(), "born {birth}");
        for source in [Source::Hie, Source::Pharmacy] {
            assert!(
                (1..record.part(source).len()).contains(&named(source)),
                "born {birth}, {}",
                source.as_str()
            );
        }
    }
}

#[test]
fn persons_are_not_readable_in_debug_output() {
    let person = person(date(1961, 4, 12), Gender::Female);
    let shown = format!("{person:?} {:?} {:?}", person.address, generate(1, &person, TODAY));
    assert!(
        !shown.contains("Quillon") && !shown.contains("Sample") && !shown.contains("1961"),
        "{shown}"
    );
}
