use sandbox_fhir::{BundleError, NetworkRecord, Source, resource_date, resource_type, split};
use serde_json::Value;

use crate::support::{multiset, record_texts, resource_texts, small_bundle};

fn ids(record: &NetworkRecord, source: Source) -> Vec<String> {
    let parse = |text: &str| {
        serde_json::from_str::<Value>(text).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    record
        .part(source)
        .iter()
        .map(|entry| parse(entry.resource().get()))
        .collect()
}

#[test]
fn each_resource_goes_to_its_source() {
    let record = split(&small_bundle()).unwrap();
    let hie = [
        "patient-1",
        "organization-1",
        "encounter-1",
        "weight-1",
        "xray-1",
        "condition-1",
        "allergy-1",
        "vaccine-1",
    ];
    assert_eq!(ids(&record, Source::Hie), hie);
    assert_eq!(
        ids(&record, Source::Pharmacy),
        ["request-1", "dispense-1", "medication-1", "statement-1"]
    );
    assert_eq!(ids(&record, Source::Lab), ["creatinine-1", "lab-report-1"]);
}

#[test]
fn text_is_kept_to_the_byte() {
    let input = String::from_utf8(small_bundle()).unwrap();
    let record = split(input.as_bytes()).unwrap();
    assert_eq!(multiset(record_texts(&record)), multiset(resource_texts(&input)));
    let all = record_texts(&record).concat();
    for part in [
        r#""value": 70.0,"#,
        r#"{"value": 1e2}"#,
        "1.50E+2",
        r#""value": 1.50}"#,
        r#"{"value": -0}"#,
        "0.000001",
        "1e-7",
        "12345678901234567890123",
        r"Ren\u00e9-\u004fkafor",
        r"\ud83d\ude00",
        r"a\/b",
        r"tab\there",
        "東",
        "{ \"value\" : 0.50 }",
        r#"\"two views\" \\ lateral"#,
        r#"{"id":"organization-1","name":"#,
    ] {
        assert!(all.contains(part), "{part} was rewritten");
        assert!(input.contains(part), "{part} is not in the fixture");
    }
}

#[test]
fn byte_order_mark_is_skipped() {
    let marked = [b"\xEF\xBB\xBF".as_slice(), &small_bundle()].concat();
    assert_eq!(
        record_texts(&split(&marked).unwrap()),
        record_texts(&split(&small_bundle()).unwrap())
    );
}

#[test]
fn resource_date_is_the_main_date() {
    let record = split(&small_bundle()).unwrap();
    let date = |id: &str| {
        let found = record
            .resources()
            .find(|resource| resource.get().contains(&format!("\"id\": \"{id}\"")))
            .unwrap();
        resource_date(found).map(|span| format!("{}/{}", span.first, span.last))
    };
    assert_eq!(date("encounter-1").unwrap(), "2019-03-31/2019-03-31");
    assert_eq!(date("creatinine-1").unwrap(), "2019-04-01/2019-04-01");
    assert_eq!(date("lab-report-1").unwrap(), "2019-04-02/2019-04-02");
    assert_eq!(date("xray-1").unwrap(), "2021-06-15/2021-06-15");
    assert_eq!(date("request-1").unwrap(), "2020-02-01/2020-02-29");
    assert_eq!(date("dispense-1").unwrap(), "2020-02-03/2020-02-03");
    assert_eq!(date("statement-1").unwrap(), "2018-01-01/2018-12-31");
    assert_eq!(date("condition-1").unwrap(), "2015-01-01/2015-12-31");
    assert_eq!(date("patient-1"), None);
}

#[test]
fn resource_type_is_read_at_any_position() {
    let raw = |text: &str| serde_json::value::RawValue::from_string(text.to_owned()).unwrap();
    let contained = raw(r#"{"contained":[{"resourceType":"Medication"}],"resourceType":"List"}"#);
    assert_eq!(resource_type(&contained).as_deref(), Some("List"));
    for text in [
        r#"{"contained":[{"resourceType":"Medication"}]}"#,
        r#"["Patient"]"#,
        "7",
        r#"{"resourceType":7}"#,
    ] {
        assert_eq!(resource_type(&raw(text)), None, "{text}");
    }
}

fn refusal(text: &str) -> BundleError {
    split(text.as_bytes()).unwrap_err()
}

/// The refusal of a Bundle whose first entry is a Patient and whose second is `entry`.
fn refusal_of_second(entry: &str) -> BundleError {
    refusal(&format!(
        r#"{{"resourceType":"Bundle","entry":[{{"resource":{{"resourceType":"Patient"}}}},{entry}]}}"#
    ))
}

#[test]
fn text_that_is_not_json_is_refused_with_its_line() {
    assert!(matches!(
        refusal("{\"resourceType\":\n\"Bundle\""),
        BundleError::NotJson { line: 2, .. }
    ));
    assert!(matches!(refusal(""), BundleError::NotJson { .. }));
    assert!(matches!(
        refusal(r#"{"resourceType":"Bundle","entry":[]} trailing"#),
        BundleError::NotJson { .. }
    ));
    assert!(matches!(split(b"\x1f\x8b\x08"), Err(BundleError::NotJson { .. })));
}

#[test]
fn json_that_is_not_a_bundle_is_refused() {
    for text in [
        r#"{"resourceType":"Patient","id":"1"}"#,
        r#"{"resourceType":"List","entry":[{"item":{}}]}"#,
        r#"{"entry":[{"resource":{"resourceType":"Patient"}}]}"#,
        r#"["Bundle",[{"resource":{"resourceType":"Patient"}}]]"#,
        r#"{"resourceType":"Bundle","entry":{}}"#,
    ] {
        assert_eq!(refusal(text), BundleError::NotABundle, "{text}");
    }
    assert_eq!(
        refusal_of_second(r#"[{"resourceType":"Patient"}]"#),
        BundleError::NotABundle
    );
}

#[test]
fn bundle_without_entries_is_refused() {
    for text in [
        r#"{"resourceType":"Bundle"}"#,
        r#"{"resourceType":"Bundle","entry":[]}"#,
    ] {
        assert_eq!(refusal(text), BundleError::EmptyBundle, "{text}");
    }
}

#[test]
fn entry_without_a_resource_is_refused_with_its_index() {
    for entry in ["{}", r#"{"resource":null}"#] {
        let error = refusal_of_second(entry);
        assert_eq!(error, BundleError::EntryWithoutResource { index: 1 }, "{entry}");
    }
}

#[test]
fn entry_that_is_not_a_resource_is_refused_with_its_index() {
    for entry in [
        r#"{"resource":"Secretname"}"#,
        r#"{"resource":["Patient"]}"#,
        r#"{"resource":{"id":"7"}}"#,
        r#"{"resource":{"resourceType":"Goal","id":"7","id":"7"}}"#,
        r#"{"resource":{"resourceType":"Goal","meta":{},"meta":{}}}"#,
        r#"{"resource":{"resourceType":""}}"#,
    ] {
        let error = refusal_of_second(entry);
        assert_eq!(error, BundleError::NotAResource { index: 1 }, "{entry}");
    }
}

#[test]
fn refusals_never_quote_the_file() {
    for text in [
        r#"{"resourceType":"Secretname","entry":[]}"#,
        r#"{"resourceType":"Bundle","entry":"Secretname"}"#,
        r#"{"resourceType":"Bundle","entry":["Secretname"]}"#,
        r#"{"resourceType":"Bundle","entry":[{"resource":"Secretname"}]}"#,
        r#"{"resourceType":"Bundle","entry":[{"resource":Secretname}]}"#,
    ] {
        let error = split(text.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("Secretname"), "{error}");
    }
}

#[test]
fn debug_shows_counts_only() {
    let record = split(&small_bundle()).unwrap();
    assert_eq!(format!("{record:?}"), "NetworkRecord { hie: 8, pharmacy: 4, lab: 2 }");
}
