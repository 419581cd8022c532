//! Requests: what the document shows can be read by the functions, and what it does not allow cannot.

use std::collections::BTreeSet;

use network_query::accept;
use record_read::request;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::domain::Time;
use shared::domain::demographics::{Demographics, DemographicsInput};

use super::document::Document;

fn example(document: &Document, name: &str) -> Value {
    document.at(&format!("/components/examples/{name}/value")).clone()
}

/// The example is read; without any field that is required, or with one that is not described, it is refused.
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

fn reads<T: DeserializeOwned>(body: Value) -> bool {
    serde_json::from_value::<T>(body).is_ok()
}

#[test]
fn requests_are_read_as_described() {
    let now = Time::parse("2026-11-22T10:40:00Z").unwrap();
    let document = Document::read();
    is_read_by(&document, "Demographics", "Demographics", |body| {
        let input = serde_json::from_value::<DemographicsInput>(body);
        input.is_ok_and(|input| Demographics::parse(input, now).is_ok())
    });
    is_read_by(
        &document,
        "RedirectRequest",
        "RedirectRequest",
        reads::<identity_session::open::OpenRequest>,
    );
    is_read_by(
        &document,
        "RedirectRequest",
        "RedirectRequest",
        reads::<aal2_challenge::open::OpenRequest>,
    );
    is_read_by(
        &document,
        "NetworkQueryRequest",
        "NetworkQueryRequest",
        reads::<accept::AskBody>,
    );
    is_read_by(&document, "RecordRequest", "RecordRequest", reads::<request::AskBody>);
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
    let bodies = [
        (
            "NetworkQueryRequest",
            &query,
            reads::<accept::AskBody> as fn(Value) -> bool,
        ),
        ("RecordRequest", &record, reads::<request::AskBody>),
        ("Demographics", &person, reads::<DemographicsInput>),
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
