//! Requests: the functions read the document's examples, and refuse what it does not allow.

use std::collections::BTreeSet;

use network_query::ask_body::AskBody;
use serde_json::{Value, json};
use shared::domain::Time;
use shared::domain::input::{self, Faults, Input};
use shared::domain::patient::PatientDetails;
use shared::domain::quarantine::NotMeReport;
use shared::domain::record::RecordQuery;
use shared::edge::redirects;

use super::document::Document;

fn example(document: &Document, name: &str) -> Value {
    document.at(&format!("/components/examples/{name}/value")).clone()
}

/// Checks that the example is accepted, and that it is refused without a required field or with an unknown field.
fn is_read_by(document: &Document, schema: &str, name: &str, read: impl Fn(Value) -> bool) {
    let body = example(document, name);
    assert!(read(body.clone()), "{name}");
    for required in document.schema(schema)["required"].as_array().unwrap() {
        let mut without = body.clone();
        without.as_object_mut().unwrap().remove(required.as_str().unwrap());
        assert!(!read(without), "{name} without {required}");
    }
    let mut with = body;
    with["fieldNobodyKnows"] = json!(1);
    assert!(!read(with), "{name} with an unknown field");
}

fn reads<T>(read: fn(&Input<'_>, &mut Faults) -> Option<T>) -> impl Fn(Value) -> bool {
    move |body| input::read(body.to_string().as_bytes(), read).is_ok()
}

fn reads_demographics(body: &Value) -> bool {
    let now = Time::parse("2026-11-22T10:40:00Z").unwrap();
    let read = |input: &Input<'_>, faults: &mut Faults| PatientDetails::read(input, now, faults);
    input::read(body.to_string().as_bytes(), read).is_ok()
}

#[test]
fn requests_are_read_as_described() {
    let document = Document::read();
    let is_read = |name: &str, read: &dyn Fn(Value) -> bool| is_read_by(&document, name, name, read);
    is_read("Demographics", &|body| reads_demographics(&body));
    is_read("RedirectRequest", &reads(redirects::read));
    is_read("NetworkQueryRequest", &reads(AskBody::read));
    is_read("RecordRequest", &reads(RecordQuery::read));
    is_read("NotMeRequest", &reads(NotMeReport::read));
}

/// The document counts a text's length as JSON Schema does, in Unicode code points.
#[test]
fn text_longer_than_described_is_refused() {
    let document = Document::read();
    let longest = document.schema("Text")["maxLength"].as_u64().unwrap();
    let longest = usize::try_from(longest).unwrap();
    let mut body = example(&document, "Demographics");
    for character in ["a", "é", "𝒩"] {
        body["firstName"] = json!(character.repeat(longest));
        assert!(reads_demographics(&body), "{longest} times {character}");
        body["firstName"] = json!(character.repeat(longest + 1));
        assert!(!reads_demographics(&body), "{longest} + 1 times {character}");
    }
}

#[test]
fn every_described_field_of_a_request_is_known() {
    let document = Document::read();
    let mut query = example(&document, "NetworkQueryRequest");
    query["purposeOfUse"] = json!("ias");
    let mut record = example(&document, "RecordRequest");
    record["dateTo"] = json!("2024-12-31");
    let mut person = example(&document, "Demographics");
    person["address"][0]["addressLine2"] = json!("Apt 2");
    person["address"][0]["country"] = json!("USA");
    person["hieOptOut"] = json!(true);
    let bodies: [(_, _, &dyn Fn(Value) -> bool); 3] = [
        ("NetworkQueryRequest", &query, &reads(AskBody::read)),
        ("RecordRequest", &record, &reads(RecordQuery::read)),
        ("Demographics", &person, &|body| reads_demographics(&body)),
    ];
    for (schema, body, read) in bodies {
        let names: BTreeSet<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, document.properties(schema));
        assert!(read(body.clone()), "{schema}");
    }
    let address: BTreeSet<_> = person["address"][0]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(address, document.properties("Address"));
}
