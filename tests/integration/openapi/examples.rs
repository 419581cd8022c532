//! Each request example gets its documented success from a running sandbox. The test replaces only values of earlier
//! replies (ids, the challenge, the AAL2 session), and computes the webhook's signature.

use std::collections::BTreeMap;

use reqwest::Method;
use sandbox_machine::app::{Reply, reply};
use sandbox_machine::sandbox::AAL2_RETURN;
use serde_json::Value;

use super::document::{Document, Operation};
use crate::harness::{Person, TestApp};

/// The order in which a person makes the calls.
const ORDER: [&str; 21] = [
    "getConsent",
    "giveConsent",
    "putPatient",
    "openIdentitySession",
    "getIdentity",
    "openAal2Challenge",
    "startNetworkQuery",
    "getNetworkQuery",
    "getTimeline",
    "listNetworkQueries",
    "listRecords",
    "getRecord",
    "requestRecord",
    "reportRecord",
    "receiveWebhook",
    "readAccessLog",
    "requestExport",
    "readExport",
    "withdrawConsent",
    "eraseMe",
    "readErasure",
];

/// The request examples of an operation; a single `None` for an operation without a body.
fn bodies(document: &Document, operation: &Operation) -> Vec<Option<Value>> {
    let body = document.resolve(&operation.body["requestBody"]);
    let Some(examples) = body["content"]["application/json"]["examples"].as_object() else {
        return vec![None];
    };
    let values = examples
        .values()
        .map(|example| document.resolve(example)["value"].clone());
    values.map(Some).collect()
}

#[derive(Default)]
struct Known {
    query: String,
    record: String,
    challenge: String,
    session: String,
    export: String,
    receipt: String,
}

impl Known {
    async fn send(&self, app: &TestApp, nora: &Person, operation: &Operation, body: Option<Value>) -> Reply {
        let id = match operation.path.split('/').nth(2) {
            Some("records") => &self.record,
            Some("me") => &self.export,
            _ => &self.query,
        };
        let method: Method = operation.method.parse().expect("a method");
        let path = operation.path.replace("{id}", id).replace("{receipt}", &self.receipt);
        let mut request = nora.app.request(method, &path);
        let mut body = body;
        match operation.text("operationId") {
            "startNetworkQuery" => {
                request = request.header("x-aal2-session", &self.session);
                body.as_mut().expect("a body")["challengeId"] = self.challenge.clone().into();
            }
            "receiveWebhook" => {
                let bytes = body.as_ref().expect("a body").to_string().into_bytes();
                request = request.header("x-metriport-signature", app.sandbox().stand_in().sign(&bytes));
            }
            _ => {}
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_string());
        }
        reply(request).await.expect("an answer")
    }

    /// Makes the person's steps after a call, and stores values of the reply.
    async fn learn(&mut self, nora: &Person, operation: &Operation, answer: &Reply) {
        match operation.text("operationId") {
            "openIdentitySession" => {
                let page = answer.text("/sessionUrl");
                nora.browser.pass(&page).await.expect("the identity page");
                nora.until_identity("verified").await;
            }
            "openAal2Challenge" => {
                let page = answer.text("/challengeUrl");
                let back = nora.browser.pass(&page).await.expect("the challenge page");
                assert!([AAL2_RETURN, sandbox_machine::sandbox::IDENTITY_RETURN].contains(&back.page.as_str()));
                self.session = back.session.expect("a session");
                self.challenge = answer.text("/challengeId");
            }
            "startNetworkQuery" => {
                self.query = answer.text("/id");
                let pull = nora.until_ended(&self.query).await;
                self.record = pull.text("/next/url").rsplit('/').next().unwrap_or_default().to_owned();
            }
            "requestExport" => {
                self.export = answer.text("/id");
                nora.until_export(&self.export).await;
            }
            "eraseMe" => self.receipt = answer.text("/receiptId"),
            _ => {}
        }
    }
}

/// The one documented success of an operation, and its schema.
fn success<'d>(document: &'d Document, operation: &'d Operation) -> (u16, &'d Value) {
    let responses = operation.body["responses"].as_object().expect("responses");
    let (status, response) = responses
        .iter()
        .find(|(status, _)| status.starts_with('2'))
        .expect("a success");
    let schema = &document.resolve(response)["content"]["application/json"]["schema"];
    (status.parse().expect("a status"), schema)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_request_example_gets_its_documented_success() {
    let document = Document::read();
    let operations = document.operations();
    let by_id: BTreeMap<_, _> = operations.iter().map(|one| (one.text("operationId"), one)).collect();
    assert_eq!(by_id.len(), ORDER.len(), "every operation is called");
    let app = TestApp::start().await;
    let nora = app.newcomer("nora", "Nora");
    let mut known = Known::default();
    for operation in ORDER.map(|id| by_id[id]) {
        let (status, schema) = success(&document, operation);
        for body in bodies(&document, operation) {
            let answer = known.send(&app, &nora, operation, body).await;
            assert_eq!(answer.status, status, "{}: {:?}", operation.name(), answer.body);
            assert_eq!(
                document.misfit(schema, &answer.body, &operation.name()),
                None,
                "{:?}",
                answer.body
            );
            known.learn(&nora, operation, &answer).await;
        }
    }
    app.end().await;
}
