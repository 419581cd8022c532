//! Nobody comes in without a token, and nobody sees what is another's.

use std::collections::BTreeSet;

use ias::app::{App, reply};
use reqwest::Method;
use sandbox_host::template::{Bindings, Route, Stack};
use serde_json::{Value, json};
use shared::clock;

use crate::harness::{Person, TestApp, refused};

/// The one route without a token: a signature stands in for it.
const SIGNED: &str = "/v1/webhooks/metriport";
const UNKNOWN: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

/// Every route of the template: a new one is under test from its first day.
fn routes() -> Vec<Route> {
    let bindings = ["FacilityId", "JwtIssuer", "JwtAudience", "RedirectAllowlist"]
        .into_iter()
        .fold(Bindings::new("us-east-1", "000000000000", "ias"), |bindings, name| {
            bindings.with_parameter(name, "any")
        });
    let stack = Stack::read(include_str!("../../template.yaml"), &bindings).expect("the template");
    stack
        .functions
        .into_iter()
        .flat_map(|function| function.routes)
        .collect()
}

fn with_id(path: &str, id: &str) -> String {
    path.replace("{id}", id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_route_answers_without_a_token_of_the_issuer() {
    let app = TestApp::start().await;
    let now = clock::now().millis() / 1000;
    let token = |claims: Value| app.sandbox().token("nora", claims.as_object().unwrap()).unwrap();
    let good = token(json!({}));
    let (head, signature) = good.rsplit_once('.').unwrap();
    let claims = token(json!({ "sub": "mira" }));
    let claims = claims.rsplit_once('.').unwrap().0;
    let bad = [
        token(json!({ "iat": now - 7200, "exp": now - 3600 })),
        token(json!({ "nbf": now + 3600 })),
        token(json!({ "iss": "https://other.example.test" })),
        token(json!({ "aud": "another-api" })),
        format!("{claims}.{signature}"),
        format!("{head}."),
        "nonsense".to_owned(),
        String::new(),
    ];
    let anonymous = App::new(app.sandbox().host().base_url(), "").unwrap();
    let before = app.snapshot().await;
    let mut open = Vec::new();
    for route in routes() {
        let (method, path) = (route.method.parse::<Method>().unwrap(), with_id(&route.path, UNKNOWN));
        let bare = reply(anonymous.anonymous(method.clone(), &path).json(&json!({})))
            .await
            .unwrap();
        if route.authorizer.is_none() {
            refused(&bare, 401, "signature_invalid", "contact_support");
            open.push(route.path);
            continue;
        }
        let mut answers = vec![bare];
        for token in &bad {
            let request = anonymous
                .anonymous(method.clone(), &path)
                .bearer_auth(token)
                .json(&json!({}));
            answers.push(reply(request).await.unwrap());
        }
        for answer in answers {
            assert_eq!(
                (answer.status, answer.body),
                (401, json!({ "message": "Unauthorized" })),
                "{method} {path}"
            );
        }
    }
    assert_eq!(open, [SIGNED]);
    assert_eq!(app.snapshot().await, before);
    // The good one is good: it was not for want of anything else that the others were refused.
    assert_eq!(
        App::new(app.sandbox().host().base_url(), &good)
            .unwrap()
            .identity()
            .await
            .unwrap()
            .status,
        200
    );
    app.end().await;
}

/// The id of something of the person's that a route with an id leads to.
async fn own_id(person: &Person, path: &str) -> String {
    let (list, name) = match path.split('/').nth(2) {
        Some("network-queries") => ("/v1/network-queries", "/networkQueries/0/id"),
        Some("records") => ("/v1/records", "/records/0/id"),
        other => panic!("no case for a route of {other:?}"),
    };
    person.app.get(list).await.unwrap().text(name)
}

fn ids(list: &[Value]) -> BTreeSet<&str> {
    list.iter().filter_map(|item| item["id"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_anothers_is_as_unknown_as_what_is_not() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let (nora, mira) = (app.person("nora", "Jane"), app.person("mira", "Jane"));
    nora.verify_identity().await;
    let of_nora = nora.pull().await;
    // Somebody with nothing yet sees nothing, not even that there is something.
    let nothing = |reply: ias::app::Reply, list: &str| assert_eq!((reply.status, reply.list(list)), (200, &[][..]));
    nothing(mira.app.get("/v1/network-queries").await.unwrap(), "/networkQueries");
    nothing(mira.app.get("/v1/records").await.unwrap(), "/records");
    mira.verify_identity().await;
    let of_mira = mira.pull().await;

    let mut cases = BTreeSet::new();
    for route in routes().into_iter().filter(|route| route.path.contains('{')) {
        assert!(
            route.method == "GET" && route.path.contains("{id}"),
            "no case for {} {}",
            route.method,
            route.path
        );
        let mine = own_id(&nora, &route.path).await;
        let ask = async |person: &Person, id: &str| person.app.get(&with_id(&route.path, id)).await.unwrap();
        assert_eq!(ask(&nora, &mine).await.status, 200, "{}", route.path);
        let unknown = ask(&mira, UNKNOWN).await;
        refused(&unknown, 404, "not_found", "none");
        for id in [mine.as_str(), "not-an-id", "..%2F..%2Fv1", &format!("{mine}%00")] {
            let answer = ask(&mira, id).await;
            refused(&answer, 404, "not_found", "none");
            assert_eq!(answer.body, unknown.body, "{} tells that {id} exists", route.path);
        }
        cases.insert(route.path);
    }
    let expected = [
        "/v1/network-queries/{id}",
        "/v1/network-queries/{id}/timeline",
        "/v1/records/{id}",
    ];
    assert_eq!(cases, BTreeSet::from(expected.map(str::to_owned)));
    // An id of one kind is nothing in the other.
    refused(&nora.record(&of_nora.text("/id")).await, 404, "not_found", "none");

    for (person, run) in [(&nora, &of_nora), (&mira, &of_mira)] {
        let runs = person.app.get("/v1/network-queries").await.unwrap();
        assert_eq!(
            ids(runs.list("/networkQueries")),
            BTreeSet::from([run.text("/id").as_str()])
        );
        let records = person.app.get("/v1/records").await.unwrap();
        assert_eq!(ids(records.list("/records")), ids(run.list("/records")));
    }
    app.end().await;
}
