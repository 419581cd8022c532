//! Problem codes: the closed list, and the codes that each operation answers.

use std::collections::BTreeSet;
use std::path::Path;

use sandbox_machine::sandbox::NOTICE;
use serde_json::{Value, json};
use shared::domain::consent::Notice;
use shared::edge::http::{Code, Next, Problem, SignIn};

use super::document::{Document, Operation};
use super::{RECEIPT, WEBHOOK};
use crate::template::{ROOT, stack};

const NEXT: [Next; 15] = [
    Next::FIX_REQUEST,
    Next::RETRY,
    Next::CONTACT_SUPPORT,
    Next::SIGN_IN,
    Next::WAIT,
    Next::NONE,
    Next::GIVE_CONSENT,
    Next::PUT_PATIENT,
    Next::VERIFY_IDENTITY,
    Next::WAIT_OR_VERIFY_IDENTITY,
    Next::CHECK_IDENTITY,
    Next::CHECK_OR_VERIFY_IDENTITY,
    Next::OPEN_CHALLENGE,
    Next::LIST_QUERIES,
    Next::REQUEST_RECORD,
];

fn codes_in(text: &str) -> Vec<Code> {
    let words = text.split('`').skip(1).step_by(2);
    words
        .filter_map(|word| Code::ALL.iter().copied().find(|code| code.as_str() == word))
        .collect()
}

/// The codes that an operation answers, from the descriptions of its responses.
fn codes_of(operation: &Operation) -> BTreeSet<&'static str> {
    let responses = operation.body["responses"].as_object().unwrap();
    let descriptions = responses
        .values()
        .filter_map(|response| response["description"].as_str());
    descriptions.flat_map(codes_in).map(Code::as_str).collect()
}

#[test]
fn documented_codes_equal_the_code_enum() {
    let all: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(Document::read().enum_values("ProblemCode"), all);
}

#[test]
fn table_of_codes_has_status_title_and_next_step() {
    let document = Document::read();
    let text = document.schema("ProblemCode")["description"].as_str().unwrap();
    let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| `")).collect();
    let expected = Code::ALL.iter().map(|code| {
        let (word, status, title, next) = (code.as_str(), code.status(), code.title(), code.next().action);
        format!("| `{word}` | {status} | {title} | `{next}` |")
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[test]
fn every_code_is_documented_under_its_own_status() {
    let document = Document::read();
    let mut answered = BTreeSet::new();
    for operation in document.operations() {
        for (status, response) in operation.body["responses"].as_object().unwrap() {
            let place = format!("{} {status}", operation.name());
            let codes = codes_in(response["description"].as_str().unwrap_or_default());
            assert!(
                codes.iter().all(|code| code.status().to_string() == *status),
                "{place}: {codes:?}"
            );
            let has_problem = document.resolve(response)["content"]
                .get("application/problem+json")
                .is_some();
            assert_eq!(has_problem, !codes.is_empty(), "{place}");
            answered.extend(codes.into_iter().map(Code::as_str));
        }
    }
    assert_eq!(answered, Code::ALL.iter().map(|code| code.as_str()).collect());
}

#[test]
fn operation_documents_the_refusals_of_its_parts() {
    let document = Document::read();
    for operation in document.operations() {
        let codes = codes_of(&operation);
        let must = |when: bool, expected: &[&str]| {
            for code in expected {
                assert_eq!(codes.contains(code), when, "{}: {code}", operation.name());
            }
        };
        let ours = operation.name() != WEBHOOK;
        let body = operation.body.get("requestBody").is_some();
        must(
            ours && operation.name() != RECEIPT,
            &["token_incomplete", "scope_missing", "reauthentication_required"],
        );
        must(ours, &["internal"]);
        must(!ours, &["signature_invalid"]);
        must(true, &["unavailable"]);
        const NEED_NO_CONSENT: [&str; 3] = [
            "PUT /v1/me/consent",
            "POST /v1/records/{id}/not-me",
            "POST /v1/me/exports",
        ];
        let ends_with_the_person =
            codes.contains("consent_required") || NEED_NO_CONSENT.contains(&operation.name().as_str());
        must(ends_with_the_person, &["erasure_in_progress"]);
        must(
            body && ours,
            &["invalid_json", "unsupported_media_type", "body_too_large"],
        );
        let parameters = document.parameters(&operation);
        let has_query = parameters.iter().any(|parameter| parameter["in"] == "query");
        must((body && ours) || has_query, &["invalid_request"]);
        must(operation.path.contains('{'), &["not_found"]);
    }
}

/// Collects the codes that a function's sources name, as in `Code::NotFound`, and those of `consented`, `unquarantined`
/// and `verified` in `shared::edge` if the sources call them. Leaves out codes that shared code answers for every
/// function.
fn codes_in_sources(folder: &Path, found: &mut BTreeSet<&'static str>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            codes_in_sources(&path, found);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut names: BTreeSet<_> = text.split("Code::").skip(1).map(identifier).collect();
        if text.contains("consented(") {
            names.extend(["ConsentRequired", "ErasureInProgress"]);
        }
        if text.contains("refuse_erasing(") {
            names.insert("ErasureInProgress");
        }
        if text.contains("refuse_quarantined(") {
            names.insert("RecordQuarantined");
        }
        if text.contains(" verified(") {
            names.extend(["PatientNotLinked", "PatientChanging", "IdentityNotVerified"]);
        }
        let named = Code::ALL
            .iter()
            .filter(|code| names.contains(format!("{code:?}").as_str()));
        found.extend(named.map(|code| code.as_str()));
    }
}

fn identifier(text: &str) -> &str {
    text.split(|character: char| !character.is_ascii_alphanumeric())
        .next()
        .unwrap_or_default()
}

#[test]
fn operation_documents_the_codes_in_its_sources() {
    let document = Document::read();
    let operations = document.operations();
    for function in stack().functions.iter().filter(|function| !function.routes.is_empty()) {
        let mut named = BTreeSet::new();
        codes_in_sources(
            &Path::new(ROOT).join("functions").join(&function.binary).join("src"),
            &mut named,
        );
        // Every handler answers `not_found` for unknown routes, which the gateway never sends.
        named.remove(Code::NotFound.as_str());
        let routes: Vec<_> = function
            .routes
            .iter()
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        let own = operations.iter().filter(|operation| routes.contains(&operation.name()));
        let answered: BTreeSet<_> = own.flat_map(codes_of).collect();
        let missing: Vec<_> = named.difference(&answered).collect();
        assert!(!named.is_empty(), "{}", function.binary);
        assert!(missing.is_empty(), "{}: {missing:?}", function.binary);
    }
}

#[test]
fn refusals_of_the_gateway_are_documented() {
    let document = Document::read();
    for operation in document.operations() {
        let ours = operation.name() != WEBHOOK;
        let body = operation.body.get("requestBody").is_some();
        for (status, expected) in [
            ("401", ours && operation.name() != RECEIPT),
            ("413", body),
            ("429", true),
            ("500", true),
            ("503", true),
        ] {
            let response = document.resolve(&operation.body["responses"][status]);
            let schema = &response["content"]["application/json"]["schema"];
            let described = schema["$ref"] == "#/components/schemas/GatewayMessage";
            assert_eq!(described, expected, "{} {status}", operation.name());
        }
    }
}

#[test]
fn documented_next_steps_equal_the_code() {
    let document = Document::read();
    let mut words: BTreeSet<_> = NEXT.iter().map(|next| next.action).collect();
    words.extend(["read_record", "read_access_log", "read_export", "read_receipt"]);
    assert_eq!(
        document.enum_values("NextAction").into_iter().collect::<BTreeSet<_>>(),
        words
    );
    let operations: BTreeSet<_> = document.operations().iter().map(Operation::name).collect();
    for next in NEXT.iter().filter(|next| next.url.is_some()) {
        let call = format!("{} {}", next.method.unwrap(), next.url.as_deref().unwrap());
        assert!(operations.contains(&call), "{call}");
    }
}

#[test]
fn every_refusal_has_the_described_shape() {
    let document = Document::read();
    let schema = document.schema("Problem");
    for code in Code::ALL {
        let problem = Problem::new(*code).detail("detail").field("/field", "what is expected");
        let problem = problem.sign_in(SignIn {
            scope: Some("records".to_owned()),
            acr_values: Some("urn:example:aal2".to_owned()),
            amr: vec!["mfa".to_owned()],
            max_age: Some(43_200),
        });
        let problem = problem.notice(&notice());
        let body = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(document.misfit(schema, &body, ""), None);
    }
}

fn notice() -> Notice {
    let [version, sha256, url] = NOTICE;
    Notice::parse(version, sha256, url).unwrap()
}

/// The problem examples of responses, with the status.
fn shown(document: &Document) -> Vec<(String, &Value)> {
    let mut shown = Vec::new();
    for operation in document.operations() {
        for (status, response) in operation.body["responses"].as_object().unwrap() {
            // The response is read from the document itself, because the operation holds only a copy.
            let Some(reference) = response["$ref"].as_str() else {
                continue;
            };
            let response = document.at(reference.strip_prefix('#').unwrap());
            let examples = response["content"]["application/problem+json"]["examples"].as_object();
            for example in examples.into_iter().flat_map(|examples| examples.values()) {
                shown.push((status.clone(), &document.resolve(example)["value"]));
            }
        }
    }
    shown
}

#[test]
fn every_code_has_one_example_under_its_own_status() {
    let document = Document::read();
    let mut example_codes = BTreeSet::new();
    for (status, example) in shown(&document) {
        assert_eq!(example["status"].to_string(), status, "{example}");
        example_codes.insert(example["code"].as_str().unwrap());
    }
    assert_eq!(example_codes, Code::ALL.iter().map(|code| code.as_str()).collect());
    let examples = document.at("/components/examples").as_object().unwrap().values();
    let codes = examples.filter_map(|example| example["value"]["code"].as_str());
    assert_eq!(codes.count(), Code::ALL.len());
}

#[test]
fn examples_of_refusals_equal_the_written_bodies() {
    let document = Document::read();
    let examples = document.at("/components/examples").as_object().unwrap().values();
    let refusals: Vec<_> = examples
        .map(|example| &example["value"])
        .filter(|value| value["title"].is_string())
        .collect();
    assert!(!refusals.is_empty());
    for example in refusals {
        let code = Code::ALL.iter().find(|code| example["code"] == code.as_str()).unwrap();
        let mut expected = serde_json::to_value(Problem::new(*code).body()).unwrap();
        for member in ["errors", "detail"] {
            if let (Some(value), Value::Object(fields)) = (example.get(member), &mut expected) {
                fields.insert(member.to_owned(), json!(value));
            }
        }
        if let Some(shown) = example["next"].get("notice") {
            assert_eq!(*shown, json!(notice()));
            expected["next"]["notice"] = shown.clone();
        }
        // The required assurance depends on the deployment.
        for member in ["scope", "acrValues", "amr", "maxAge"] {
            if let Some(value) = example["next"].get(member) {
                assert_eq!(example["next"]["action"], "sign_in");
                expected["next"][member] = value.clone();
            }
        }
        assert_eq!(*example, expected);
    }
}
