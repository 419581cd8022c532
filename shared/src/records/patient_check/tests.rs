use std::slice;

use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::domain::patient::{FingerprintKey, PatientFingerprint};
use crate::domain::{Demographics, PatientId, Time};
use crate::records::BundleScan;

const ID: DifferentField = DifferentField::PatientId;
const NAME: DifferentField = DifferentField::Name;
const BIRTH_DATE: DifferentField = DifferentField::BirthDate;

fn expected(first: &str, last: &str) -> ExpectedPatient {
    let body = json!({
        "firstName": first, "lastName": last, "dob": "1984-07-19", "genderAtBirth": "F",
        "address": {"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402"},
        "contact": {"phone": "9375550142"}
    });
    let now = Time::parse("2026-01-01T00:00:00Z").unwrap();
    let demographics = Demographics::parse(body.to_string().as_bytes(), now).unwrap();
    let key = FingerprintKey::new([Uuid::from_u128(1), Uuid::from_u128(2)]);
    ExpectedPatient {
        id: PatientId::parse("p-1").unwrap(),
        fingerprint: Some(PatientFingerprint::of(&demographics, key, now)),
    }
}

fn nora() -> ExpectedPatient {
    expected("Nora Ann", "Quill")
}

/// Nora's Patient, as Metriport makes it, with other values in these fields.
fn patient(other: Value) -> Value {
    let mut patient = json!({
        "resourceType": "Patient", "id": "p-1", "birthDate": "1984-07-19",
        "name": [{ "family": "Quill", "given": ["Nora", "Ann"] }],
    });
    patient
        .as_object_mut()
        .unwrap()
        .extend(other.as_object().unwrap().clone());
    patient
}

/// The check after a Bundle with these resources, in pieces of `size` bytes.
fn checked(expected: ExpectedPatient, resources: &[String], size: usize) -> PatientCheck {
    let entries: Vec<String> = resources
        .iter()
        .map(|text| format!(r#"{{"resource":{text}}}"#))
        .collect();
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(","));
    let mut scan = BundleScan::new(PatientCheck::new(expected));
    bundle
        .as_bytes()
        .chunks(size)
        .for_each(|piece| scan.push(piece).unwrap());
    scan.finish().unwrap().1
}

fn compare(resources: &[Value]) -> PatientComparison {
    let texts: Vec<String> = resources.iter().map(Value::to_string).collect();
    checked(nora(), &texts, 1000).comparison()
}

fn compare_text(resource: &str) -> PatientComparison {
    checked(nora(), &[resource.to_owned()], 1000).comparison()
}

fn different<const N: usize>(fields: [DifferentField; N]) -> PatientComparison {
    PatientComparison::of(fields.into())
}

#[test]
fn own_or_missing_patient_is_not_comparable() {
    let own = [
        patient(json!({})),
        patient(json!({ "name": [{ "use": "official", "family": "QUILL", "given": ["ann nóra"] }] })),
        patient(json!({ "name": [{ "family": "Old" }, { "family": "Quill" }, { "text": "Nora" }] })),
        patient(json!({ "name": [], "birthDate": "1984-07" })),
        json!({ "resourceType": "Patient" }),
        json!({ "resourceType": "Observation", "id": "o", "subject": { "reference": "Patient/p-1" } }),
        // The fields of other resources stand before their type.
        json!({ "birthDate": "1950-01-01", "id": "d", "name": [{ "family": "Grey" }], "resourceType": "Practitioner" }),
    ];
    assert_eq!(compare(&own), PatientComparison::NotComparable);
    assert_eq!(compare(&[]), PatientComparison::NotComparable);
}

#[test]
fn difference_of_any_patient_is_named_by_its_field() {
    for (other, field) in [
        (json!({ "id": "p-2" }), ID),
        (json!({ "id": "P-1" }), ID),
        (
            json!({ "name": [{ "family": "Quillon", "given": ["Nora", "Ann"] }] }),
            NAME,
        ),
        (
            json!({ "name": [{ "family": "Quill", "given": ["Nora"] }, { "family": "Old" }] }),
            NAME,
        ),
        (json!({ "birthDate": "1984-07-18" }), BIRTH_DATE),
    ] {
        assert_eq!(compare(&[patient(other.clone())]), different([field]), "{other}");
        // Another Patient of the record is the person.
        let both = [patient(json!({})), patient(other.clone()), patient(json!({}))];
        assert_eq!(compare(&both), different([field]), "{other}");
    }
    let stranger = json!({
        "resourceType": "Patient", "id": "7", "name": [{ "family": "Grey" }], "birthDate": "1950-01-01",
    });
    assert_eq!(
        compare(&[patient(json!({})), stranger]),
        different([ID, NAME, BIRTH_DATE])
    );
}

#[test]
fn only_ids_are_compared_without_a_fingerprint() {
    let unknown = || ExpectedPatient {
        fingerprint: None,
        ..nora()
    };
    let compare = |other: Value| checked(unknown(), &[patient(other).to_string()], 1000).comparison();
    let long = "x".repeat(10_000);
    assert_eq!(
        compare(json!({ "name": [{ "family": long }], "birthDate": long })),
        different([])
    );
    assert_eq!(
        compare(json!({ "id": "p-2", "name": [{ "family": "Grey" }] })),
        different([ID])
    );
}

#[test]
fn doubled_field_is_different_even_with_equal_values() {
    for (text, field) in [
        (r#"{"resourceType":"Patient","id":"p-1","id":"p-1"}"#, ID),
        (
            r#"{"resourceType":"Patient","birthDate":"1984-07-19","birthDate":"1984-07-19"}"#,
            BIRTH_DATE,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"family":"Quill"}],"name":[{"family":"Quill"}]}"#,
            NAME,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"family":"Quill","family":"Quill"}]}"#,
            NAME,
        ),
        (
            r#"{"resourceType":"Patient","name":[{"family":"Quill","f\u0061mily":"Grey"}]}"#,
            NAME,
        ),
    ] {
        assert_eq!(compare_text(text), different([field]), "{text}");
    }
    let other_type = r#"{"id":"p-1","id":"p-1","resourceType":"Organization"}"#;
    assert_eq!(compare_text(other_type), PatientComparison::NotComparable);
}

#[test]
fn escaped_texts_are_compared_by_their_meaning() {
    let own = concat!(
        r#"{"resourceType":"Patient","id":"\u0070-1","name":[{"family":"\u0051uill","given":["N\u00f3ra","Ann"]}],"#,
        r#""birthDate":"1984-07\u002d19"}"#
    );
    assert_eq!(compare_text(own), PatientComparison::NotComparable);
    let half = r#"{"resourceType":"Patient","name":[{"family":"Quill\ud83d","given":["Nora","Ann"]}]}"#;
    assert_eq!(compare_text(half), different([NAME]), "half of a surrogate pair");
    let control = r#"{"resourceType":"Patient","id":"p-1\u0000"}"#;
    assert_eq!(compare_text(control), different([ID]));
}

#[test]
fn fields_behind_deep_extensions_are_compared() {
    let (open, close) = (r#"{"extension":["#.repeat(250), "]}".repeat(250));
    let deep = format!(r#"{{"resourceType":"Patient","extension":[{open}{close}],"id":"p-2"}}"#);
    assert_eq!(compare_text(&deep), different([ID]));
}

#[test]
fn patient_of_hostile_size_is_different_in_constant_memory() {
    let own = json!({ "family": "Quill", "given": ["Nora", "Ann"] });
    let huge = "x".repeat(1_000_000);
    let names = |name: Value| {
        let mut names = vec![own.clone()];
        names.resize(10_000, name);
        json!({ "name": names })
    };
    for hostile in [
        json!({ "name": [own, { "family": huge }] }),
        json!({ "name": [{ "family": "Quill", "given": vec!["Nora"; 100_000] }] }),
        json!({ "name": [{ "family": "Quill", "given": [huge] }] }),
        names(json!({ "family": "Grey" })),
        names(own.clone()),
    ] {
        let check = checked(nora(), &[patient(hostile).to_string()], 4096);
        let memory = check.given.capacity() + check.family.capacity();
        assert!(memory <= 4 * NAME_BYTES_MAX, "{memory} bytes");
        assert_eq!(check.comparison(), different([NAME]));
    }
    let patients = vec![patient(json!({ "id": huge })); 10];
    assert_eq!(compare(&patients), different([ID]));
}

#[test]
fn longest_name_of_a_person_is_compared_in_escapes() {
    let longest = "𝒩".repeat(TEXT_CHARS_MAX);
    let escaped = r"\ud835\udca9".repeat(TEXT_CHARS_MAX);
    let text = format!(r#"{{"resourceType":"Patient","name":[{{"family":"{escaped}","given":["{escaped}"]}}]}}"#);
    let check = checked(expected(&longest, &longest), slice::from_ref(&text), 1000);
    assert_eq!(check.comparison(), PatientComparison::NotComparable);
    assert_eq!(compare_text(&text), different([NAME]));
}

/// Writes each character as an escape.
fn escape(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect()
}

proptest! {
    #[test]
    fn own_patient_is_never_different(
        first in "[\\p{L}\\p{N}' ,-]{1,60}", last in "[\\p{L}\\p{N}' -]{1,60}",
        size in 1_usize..300, type_first: bool, escapes: bool,
    ) {
        prop_assume!(!first.trim().is_empty() && !last.trim().is_empty());
        let write = |text: &str| if escapes { escape(text) } else { text.to_owned() };
        // Metriport splits given names at spaces and commas.
        let given: Vec<String> = first
            .split([' ', ','])
            .filter(|part| !part.is_empty())
            .map(|part| format!(r#""{}""#, write(part)))
            .collect();
        let fields = format!(
            r#""name":[{{"given":[{}],"family":"{}"}}],"birthDate":"1984-07-19","id":"p-1""#,
            given.join(","), write(last.trim()),
        );
        let of_type = r#""resourceType":"Patient""#;
        let text = if type_first { format!("{{{of_type},{fields}}}") } else { format!("{{{fields},{of_type}}}") };
        let check = checked(expected(&first, &last), &[text], size);
        prop_assert_eq!(check.comparison(), PatientComparison::NotComparable);
    }
}
