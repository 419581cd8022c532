//! `infra/openapi.yaml` agrees with the code: the template's routes, the refusals of `shared::edge::http`, the domain's
//! words, and the shapes that functions write and read.

mod document;
mod examples;
mod keys;
mod refusals;
mod replies;
mod requests;
mod words;

use std::collections::BTreeSet;

use crate::template::routes;
use document::{Document, Operation};

const WEBHOOK: &str = "POST /v1/webhooks/metriport";
/// The person's token ends with the person, so the receipt id in the path replaces it.
const RECEIPT: &str = "GET /v1/erasures/{receipt}";

#[test]
fn routes_equal_the_documented_operations() {
    let routes: BTreeSet<_> = routes()
        .iter()
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    let document = Document::read();
    let operations: BTreeSet<_> = document.operations().iter().map(Operation::name).collect();
    assert_eq!(routes, operations);
}

#[test]
fn every_operation_except_the_webhook_needs_a_token() {
    let document = Document::read();
    assert_eq!(document.at("/components/securitySchemes/personToken/scheme"), "bearer");
    let routes = routes();
    for operation in document.operations() {
        let route = routes
            .iter()
            .find(|route| format!("{} {}", route.method, route.path) == operation.name());
        let authorizer = route.unwrap().authorizer.as_deref();
        let has_token = ![WEBHOOK, RECEIPT].contains(&operation.name().as_str());
        let expected = has_token.then_some("PersonToken");
        assert_eq!(authorizer, expected, "{}", operation.name());
        assert_eq!(
            document.needs_token(&operation),
            expected.is_some(),
            "{}",
            operation.name()
        );
    }
}

#[test]
fn every_path_parameter_is_described() {
    let document = Document::read();
    for operation in document.operations() {
        let named: BTreeSet<_> = operation
            .path
            .split('{')
            .skip(1)
            .filter_map(|rest| rest.split('}').next())
            .collect();
        let described = document.parameters(&operation);
        let described: BTreeSet<_> = described
            .iter()
            .filter(|parameter| parameter["in"] == "path")
            .map(|parameter| parameter["name"].as_str().unwrap())
            .collect();
        assert_eq!(named, described, "{}", operation.name());
    }
}

#[test]
fn every_operation_is_explained_and_named_once() {
    let document = Document::read();
    let operations = document.operations();
    let ids: BTreeSet<_> = operations
        .iter()
        .map(|operation| operation.text("operationId"))
        .collect();
    assert_eq!(ids.len(), operations.len());
    for operation in &operations {
        assert!(!operation.text("summary").is_empty() && operation.text("description").len() > 80);
    }
}

#[test]
fn every_component_is_used() {
    let document = Document::read();
    let used = document.references();
    let components = document.at("/components").as_object().unwrap();
    for (kind, named) in components.iter().filter(|(kind, _)| *kind != "securitySchemes") {
        for name in named.as_object().unwrap().keys() {
            let reference = format!("#/components/{kind}/{name}");
            assert!(used.contains(&reference), "nothing refers to {reference}");
        }
    }
}
