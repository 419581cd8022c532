//! The exact requests that each call puts on the wire.

mod account;
mod person;

use serde_json::{Value, json};
use shared::domain::{ExternalId, FacilityId};
use shared::metriport::{Metadata, RedirectUrl};

use crate::upstream::{RecordedRequest, demographics_json};

const PATIENT: &str = "/medical/v1/patient/0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4";

fn external_id() -> ExternalId {
    ExternalId::parse("user-48213").unwrap()
}

fn facility() -> FacilityId {
    FacilityId::parse("01989f00-1111-7222-8333-444455556666").unwrap()
}

fn redirect() -> RedirectUrl {
    RedirectUrl::parse("https://app.examplephr.test/ias/return").unwrap()
}

fn metadata() -> Metadata {
    Metadata::new([("runId", "run_0031"), ("env", "staging")]).unwrap()
}

fn patient_body() -> Value {
    let mut body = demographics_json();
    body["externalId"] = json!("user-48213");
    body
}

/// Checks the parts that every request has, and whether this one has a JSON body.
fn assert_common(request: &RecordedRequest, has_body: bool) {
    assert_eq!(request.header("x-api-key"), Some("c2VjcmV0OmN1c3RvbWVy"));
    assert_eq!(request.header("user-agent"), Some("individual-access/test"));
    assert_eq!(request.header("accept"), Some("application/json"));
    assert_eq!(request.header("content-type"), has_body.then_some("application/json"));
    assert_eq!(!request.body.is_empty(), has_body);
}
