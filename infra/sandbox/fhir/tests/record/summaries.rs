use std::collections::BTreeMap;
use std::io::{self, BufReader, Read};

use jiff::civil::date;
use sandbox_fhir::{Summary, SummaryError, summary};

use crate::support::small_bundle;

#[test]
fn summary_counts_types_sources_and_dates() {
    let counts = |pairs: &[(&str, u64)]| {
        pairs
            .iter()
            .map(|(name, count)| ((*name).to_owned(), *count))
            .collect::<BTreeMap<_, _>>()
    };
    let expected = Summary {
        total: 14,
        by_type: counts(&[
            ("AllergyIntolerance", 1),
            ("Condition", 1),
            ("DiagnosticReport", 2),
            ("Encounter", 1),
            ("Immunization", 1),
            ("Medication", 1),
            ("MedicationDispense", 1),
            ("MedicationRequest", 1),
            ("MedicationStatement", 1),
            ("Observation", 2),
            ("Organization", 1),
            ("Patient", 1),
        ]),
        by_source: counts(&[
            ("https://clinic.example.test/fhir", 1),
            ("https://lab.example.test/results", 2),
        ]),
        earliest: Some(date(2015, 1, 1)),
        latest: Some(date(2024, 10, 2)),
    };
    assert_eq!(summary(small_bundle().as_slice()).unwrap(), expected);
    // The size of the reader's buffer makes no difference.
    assert_eq!(
        summary(BufReader::with_capacity(3, small_bundle().as_slice())).unwrap(),
        expected
    );
}

#[test]
fn empty_record_has_an_empty_summary() {
    for text in [
        r#"{"resourceType":"Bundle","entry":[]}"#,
        "\u{feff}{\"type\":\"collection\",\"resourceType\":\"Bundle\"}",
    ] {
        assert_eq!(summary(text.as_bytes()).unwrap(), Summary::default());
    }
}

#[test]
fn refusals_are_typed_and_never_quote_the_file() {
    let of = |text: &str| {
        let error = summary(text.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Secretname"), "{error}");
        error
    };
    let entry = |entry: &str| {
        of(&format!(
            r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Patient"}}}},{entry}]}}"#
        ))
    };
    assert!(matches!(of(""), SummaryError::NotJson { .. }));
    assert!(matches!(
        of(r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Pat"#),
        SummaryError::NotJson { .. }
    ));
    assert!(matches!(
        of(r#"{"resourceType":"Bundle","entry":[]}{}"#),
        SummaryError::NotJson { .. }
    ));
    assert!(matches!(
        of(r#"{"resourceType":"Secretname","entry":[{}]}"#),
        SummaryError::NotABundle
    ));
    assert!(matches!(of(r#"{"entry":[]}"#), SummaryError::NotABundle));
    assert!(matches!(of(r#"["Secretname"]"#), SummaryError::NotABundle));
    assert!(matches!(
        of(r#"{"resourceType":"Bundle","entry":"Secretname"}"#),
        SummaryError::NotABundle
    ));
    assert!(matches!(entry("{}"), SummaryError::EntryWithoutResource { index: 1 }));
    assert!(matches!(
        entry(r#"{"resource":null}"#),
        SummaryError::EntryWithoutResource { index: 1 }
    ));
    assert!(matches!(
        entry(r#"{"resource":"Secretname"}"#),
        SummaryError::NotAResource { index: 1 }
    ));
    assert!(matches!(
        entry(r#"{"resource":{"id":"Secretname"}}"#),
        SummaryError::NotAResource { index: 1 }
    ));
    assert!(matches!(
        entry(r#"["Secretname"]"#),
        SummaryError::NotAResource { index: 1 }
    ));
}

#[test]
fn failing_reader_differs_from_a_bad_file() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::from(io::ErrorKind::ConnectionReset))
        }
    }
    let first_read = summary(BufReader::new(Broken)).unwrap_err();
    let head = r#"{"resourceType":"Bundle","entry":["#.as_bytes();
    let later_read = summary(BufReader::new(head.chain(Broken))).unwrap_err();
    for error in [first_read, later_read] {
        assert!(matches!(error, SummaryError::Read(cause) if cause.kind() == io::ErrorKind::ConnectionReset));
    }
}

/// A record of any length, generated while it is read.
struct Endless {
    left: u64,
    pending: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.pending.is_empty() && self.left > 0 {
            self.left -= 1;
            let end = if self.left == 0 { "]}" } else { "," };
            let filler = "x".repeat(500);
            self.pending = format!(
                r#"{{"resource":{{"resourceType":"Observation","note":"{filler}","issued":"2020-01-01"}}}}{end}"#
            )
            .into_bytes();
        }
        let taken = out.len().min(self.pending.len());
        out[..taken].copy_from_slice(&self.pending[..taken]);
        self.pending.drain(..taken);
        Ok(taken)
    }
}

#[test]
fn long_record_is_counted_while_it_is_read() {
    let head = br#"{"resourceType":"Bundle","entry":["#.as_slice();
    let counted = summary(BufReader::new(head.chain(Endless {
        left: 20_000,
        pending: Vec::new(),
    })))
    .unwrap();
    assert_eq!((counted.total, counted.latest), (20_000, Some(date(2020, 1, 1))));
}
