//! Shared by several tests: the hand-checked Bundle, and the texts of a Bundle's resources.

use std::collections::BTreeMap;
use std::path::Path;

use sandbox_fhir::{BundleText, NetworkRecord};
use serde::Deserialize;
use serde_json::value::RawValue;

/// 14 resources with unusual spellings of numbers, unusual escapes and unusual spacing; checked by hand.
pub fn small_bundle() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../tests/fixtures/bundle-small.json");
    std::fs::read(path).unwrap()
}

pub fn text(bundle: BundleText) -> String {
    let mut text = Vec::new();
    bundle.write_to(&mut text).unwrap();
    String::from_utf8(text).unwrap()
}

/// The text of each resource of a Bundle, in order, read without the crate's reader.
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

pub fn record_texts(record: &NetworkRecord) -> Vec<String> {
    record.resources().map(|resource| resource.get().to_owned()).collect()
}
