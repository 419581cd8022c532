//! A request without a token fails, and a person never sees another person's data.

use std::collections::BTreeSet;

use reqwest::{Method, RequestBuilder};
use sandbox_host::template::Route;
use sandbox_machine::app::{App, Reply, reply};
use serde_json::{Value, json};
use shared::clock;

use crate::harness::{Person, TestApp, refused};
use crate::template::routes;

/// A route without a token. A signature replaces the token.
const SIGNED: &str = "/v1/webhooks/metriport";
/// The other route without a token. The receipt id in the path replaces the token.
const RECEIPT: &str = "/v1/erasures/{receipt}";
pub(crate) const UNKNOWN: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";

pub(crate) fn with_id(path: &str, id: &str) -> String {
    path.replace("{id}", id).replace("{receipt}", id)
}

/// Tokens that are expired, not yet valid, of another issuer, for another API, forged, unsigned or malformed.
fn bad_tokens(app: &TestApp, good: &str) -> [String; 8] {
    let now = clock::now().millis() / 1000;
    let (head, signature) = good.rsplit_once('.').unwrap();
    let of_mira = token(app, &json!({ "sub": "mira" }));
    let (claims, _) = of_mira.rsplit_once('.').unwrap();
    [
        token(app, &json!({ "iat": now - 7200, "exp": now - 3600 })),
        token(app, &json!({ "nbf": now + 3600 })),
        token(app, &json!({ "iss": "https://other.example.test" })),
        token(app, &json!({ "aud": "another-api" })),
        format!("{claims}.{signature}"),
        format!("{head}."),
        "nonsense".to_owned(),
        String::new(),
    ]
}

/// A token for Nora with these claims, added or replaced.
fn token(app: &TestApp, claims: &Value) -> String {
    app.sandbox().token("nora", claims.as_object().unwrap()).unwrap()
}

fn request(anonymous: &App, route: &Route) -> RequestBuilder {
    let method = route.method.parse::<Method>().unwrap();
    anonymous
        .anonymous(method, &with_id(&route.path, UNKNOWN))
        .json(&json!({}))
}

async fn assert_unauthorized(anonymous: &App, route: &Route, bad: &[String]) {
    let bare = request(anonymous, route);
    let with_bad = bad.iter().map(|token| request(anonymous, route).bearer_auth(token));
    for sent in [bare].into_iter().chain(with_bad) {
        let answer = reply(sent).await.unwrap();
        assert_eq!(
            (answer.status, answer.body),
            (401, json!({ "message": "Unauthorized" })),
            "{} {}",
            route.method,
            route.path
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_route_refuses_a_missing_or_bad_token() {
    let app = TestApp::start().await;
    let good = token(&app, &json!({}));
    let bad = bad_tokens(&app, &good);
    let base_url = app.sandbox().host().base_url();
    let anonymous = App::new(base_url, "").unwrap();
    let before = app.snapshot().await;
    let mut open = Vec::new();
    for route in routes() {
        if route.authorizer.is_some() {
            assert_unauthorized(&anonymous, &route, &bad).await;
        } else {
            let bare = reply(request(&anonymous, &route)).await.unwrap();
            match route.path.as_str() {
                RECEIPT => refused(&bare, 404, "not_found", "none"),
                _ => refused(&bare, 401, "signature_invalid", "contact_support"),
            }
            open.push(route.path);
        }
    }
    open.sort();
    assert_eq!(open, [RECEIPT, SIGNED]);
    assert_eq!(app.snapshot().await, before);
    // The valid token works, so the other tokens were refused for their own faults.
    let with_good = App::new(base_url, &good).unwrap();
    assert_eq!(with_good.identity().await.unwrap().status, 200);
    app.end().await;
}

/// The id of one of the person's items, for a route with an id.
async fn own_id(person: &Person, path: &str) -> String {
    if path.starts_with("/v1/me/exports") {
        return person.app.request_export().await.unwrap().text("/id");
    }
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
async fn foreign_id_gets_the_answer_of_an_unknown_id() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    nora.verify_identity().await;
    let of_nora = nora.pull().await;
    mira.verify_identity().await;
    assert_sees_nothing(&mira).await;
    let of_mira = mira.pull().await;

    let mut cases = BTreeSet::new();
    for route in routes().into_iter().filter(|route| route.path.contains("{id}")) {
        assert_hidden(&route, &nora, &mira).await;
        cases.insert(route.path);
    }
    let expected = [
        "/v1/me/exports/{id}",
        "/v1/network-queries/{id}",
        "/v1/network-queries/{id}/timeline",
        "/v1/records/{id}",
        "/v1/records/{id}/not-me",
    ];
    assert_eq!(cases, BTreeSet::from(expected.map(str::to_owned)));
    // A pull's id is unknown among records.
    refused(&nora.record(&of_nora.text("/id")).await, 404, "not_found", "none");
    assert_lists_only(&nora, &of_nora).await;
    assert_lists_only(&mira, &of_mira).await;
    app.end().await;
}

/// Checks that a person without data sees empty lists, although another person has data.
async fn assert_sees_nothing(person: &Person) {
    for (path, list) in [("/v1/network-queries", "/networkQueries"), ("/v1/records", "/records")] {
        let reply = person.app.get(path).await.unwrap();
        assert_eq!((reply.status, reply.list(list)), (200, &[][..]));
    }
}

/// Checks that a route with an id serves the owner, and that another person gets the answer for an unknown id.
async fn assert_hidden(route: &Route, owner: &Person, other: &Person) {
    let (body, served) = match (route.method.as_str(), route.path.as_str()) {
        ("GET", _) => (None, 200),
        ("POST", "/v1/records/{id}/not-me") => (Some(json!({ "reason": "other_person" })), 202),
        (method, path) => panic!("no case for {method} {path}"),
    };
    let own = own_id(owner, &route.path).await;
    let ask = async |person: &Person, id: &str| {
        let method = route.method.parse::<Method>().unwrap();
        let path = with_id(&route.path, id);
        person.app.send(method, &path, body.as_ref()).await.unwrap()
    };
    assert_eq!(ask(owner, &own).await.status, served, "{}", route.path);
    let unknown = ask(other, UNKNOWN).await;
    refused(&unknown, 404, "not_found", "none");
    for id in [own.as_str(), "not-an-id", "..%2F..%2Fv1", &format!("{own}%00")] {
        let answer = ask(other, id).await;
        refused(&answer, 404, "not_found", "none");
        assert_eq!(answer.body, unknown.body, "{} reveals that {id} exists", route.path);
    }
}

/// Checks that a person's lists have only this pull and its records.
async fn assert_lists_only(person: &Person, pull: &Reply) {
    let pulls = person.app.get("/v1/network-queries").await.unwrap();
    assert_eq!(
        ids(pulls.list("/networkQueries")),
        BTreeSet::from([pull.text("/id").as_str()])
    );
    let records = person.app.get("/v1/records").await.unwrap();
    assert_eq!(ids(records.list("/records")), ids(pull.list("/records")));
}
