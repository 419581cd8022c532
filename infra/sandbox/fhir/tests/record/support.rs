//! What several tests need: the hand-checked Bundle, a person, and the texts of a Bundle's resources.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::civil::{Date, date};
use sandbox_fhir::{Address, BundleText, Gender, NetworkRecord, Person};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The day on which test records are pulled.
pub const TODAY: Date = date(2025, 6, 18);

/// The hand-checked Bundle: 14 resources with odd number texts, escapes and spacing.
pub fn small_bundle() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/bundle-small.json");
    std::fs::read(path).unwrap()
}

/// An invented person.
pub fn person(birth_date: Date, gender: Gender) -> Person {
    Person {
        id: "0198a0e1-0000-7000-8000-000000000001".to_owned(),
        given: "Ida".to_owned(),
        family: "Quillon".to_owned(),
        birth_date,
        gender,
        address: Address {
            line: "1 Sample Street".to_owned(),
            city: "Springfield".to_owned(),
            state: "IL".to_owned(),
            zip: "62701".to_owned(),
        },
        phone: Some("555-0100".to_owned()),
        email: Some("ida@example.test".to_owned()),
    }
}

/// The whole text.
pub fn text(bundle: BundleText) -> String {
    let mut text = Vec::new();
    bundle.write_to(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The text of each resource of a Bundle, in order, read by other means than the crate's.
pub fn resource_texts(bundle: &str) -> Vec<String> {
    #[derive(Deserialize)]
    struct Bundle {
        entry: Vec<BTreeMap<String, Box<RawValue>>>,
    }
    let bundle: Bundle = serde_json::from_str(bundle).unwrap();
    bundle
        .entry
        .into_iter()
        .map(|mut entry| entry.remove("resource").unwrap().get().to_owned())
        .collect()
}

/// How often each text occurs.
pub fn multiset(texts: impl IntoIterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for text in texts {
        *counts.entry(text).or_default() += 1;
    }
    counts
}

/// The text of every resource of a record.
pub fn record_texts(record: &NetworkRecord) -> Vec<String> {
    record.resources().map(|resource| resource.get().to_owned()).collect()
}
