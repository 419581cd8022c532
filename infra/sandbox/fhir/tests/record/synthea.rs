//! Tests with the Synthea Bundles in `fixtures`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sandbox_fhir::{RecordFilter, Source, bundle_text, resource_type, split, summary};

use crate::support::{multiset, record_texts, resource_texts, text};

fn bundles() -> Vec<PathBuf> {
    let found = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")).unwrap();
    let paths = found.map(|file| file.unwrap().path());
    let bundles: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    assert_eq!(bundles.len(), 2);
    bundles
}

#[test]
fn bundles_survive_to_the_byte() {
    for path in bundles() {
        let input = fs::read_to_string(&path).unwrap();
        let record = Arc::new(split(input.as_bytes()).unwrap());
        assert_eq!(
            multiset(record_texts(&record)),
            multiset(resource_texts(&input)),
            "{}",
            path.display()
        );
        assert!(
            Source::ALL.into_iter().all(|source| !record.part(source).is_empty()),
            "{record:?}"
        );
        let bundle = bundle_text(Arc::clone(&record), &Source::ALL, &RecordFilter::default());
        let length = bundle.content_length();
        let written = text(bundle);
        assert_eq!(written.len() as u64, length);
        assert_eq!(resource_texts(&written), record_texts(&record));
    }
}

#[test]
fn summaries_count_every_resource_type() {
    for path in bundles() {
        let input = fs::read(&path).unwrap();
        let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
        for resource in split(&input).unwrap().resources() {
            *by_type.entry(resource_type(resource).unwrap()).or_default() += 1;
        }
        let counted = summary(input.as_slice()).unwrap();
        assert_eq!(counted.by_type, by_type);
        assert!(counted.earliest.unwrap() < counted.latest.unwrap());
    }
}
