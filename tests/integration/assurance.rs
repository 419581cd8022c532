//! On every route a token must show who signed in, how and when. A person can read records only if their identity is
//! verified.

use reqwest::Method;
use sandbox_host::template::Route;
use sandbox_machine::app::{App, Reply, reply};
use serde_json::{Value, json};
use shared::clock;

use crate::harness::{Person, TestApp, refused};
use crate::isolation::{UNKNOWN, with_id};
use crate::template::routes;

/// Claims of a token that is too weak or too old.
fn weak_claims() -> [Value; 8] {
    let now = clock::now().millis() / 1000;
    [
        json!({ "amr": ["pwd"] }),
        json!({ "amr": "" }),
        json!({ "amr": null }),
        json!({ "amr": { "mfa": true } }),
        json!({ "amr": "mfa".repeat(3_400) }),
        json!({ "auth_time": now - 43_201 }),
        json!({ "auth_time": now + 600 }),
        json!({ "auth_time": null }),
    ]
}

/// Calls a route with a token that has these claims, and an empty object as body.
async fn call(app: &TestApp, route: &Route, claims: &Value) -> Reply {
    let token = app.sandbox().token("nora", claims.as_object().unwrap()).unwrap();
    let anonymous = App::new(app.sandbox().host().base_url(), "").unwrap();
    let method = route.method.parse::<Method>().unwrap();
    let request = anonymous.anonymous(method, &with_id(&route.path, UNKNOWN));
    reply(request.json(&json!({})).bearer_auth(token)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn weak_token_is_refused_by_every_route() {
    let app = TestApp::start().await;
    let before = app.snapshot().await;
    for route in routes().iter().filter(|route| route.authorizer.is_some()) {
        for claims in weak_claims() {
            let answer = call(&app, route, &claims).await;
            refused(&answer, 401, "reauthentication_required", "sign_in");
            assert_eq!(answer.body["next"]["maxAge"], 43_200, "{} {claims}", route.path);
            assert_eq!(answer.body["next"]["amr"], json!(["mfa"]));
            let challenge = "Bearer error=\"insufficient_user_authentication\", max_age=\"43200\"";
            assert_eq!(answer.headers["www-authenticate"], challenge);
        }
        for scope in [json!("openid"), json!(["record"]), json!(""), Value::Null] {
            let answer = call(&app, route, &json!({ "scope": scope })).await;
            refused(&answer, 403, "scope_missing", "sign_in");
            assert_eq!(answer.body["next"]["scope"], "records", "{} {scope}", route.path);
            let challenge = "Bearer error=\"insufficient_scope\", scope=\"records\"";
            assert_eq!(answer.headers["www-authenticate"], challenge);
        }
        for subject in [
            Value::Null,
            json!(["nora"]),
            json!({ "id": "nora" }),
            json!(""),
            json!("n".repeat(256)),
        ] {
            let answer = call(&app, route, &json!({ "sub": subject })).await;
            refused(&answer, 403, "token_incomplete", "sign_in");
        }
    }
    assert_eq!(app.snapshot().await, before);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_from_a_clock_minutes_off_is_accepted() {
    let app = TestApp::start().await;
    let now = clock::now().millis() / 1000;
    for claims in [
        json!({ "auth_time": now + 240 }),
        json!({ "auth_time": now - 43_000 }),
        json!({ "scope": null, "scp": ["openid", "records"] }),
    ] {
        let answer = app.app_with("nora", &claims).identity().await.unwrap();
        assert_eq!(answer.status, 200, "{claims}: {:?}", answer.body);
    }
    app.end().await;
}

/// Every request for records: for one record, for the list, and for another conversion.
async fn reads(person: &Person, id: &str) -> [Reply; 3] {
    let reply = person.app.ask_record(&json!({ "conversionType": "json" })).await;
    [person.record(id).await, person.records().await, reply.unwrap()]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_hide_until_changed_demographics_are_verified() {
    let app = TestApp::with(|options| options.stand_in.rate_limits = false).await;
    let nora = app.person("nora", "Jane").await;
    for answer in reads(&nora, UNKNOWN).await {
        refused(&answer, 409, "patient_not_linked", "put_patient");
    }
    nora.link().await;
    for answer in reads(&nora, UNKNOWN).await {
        refused(&answer, 409, "identity_not_verified", "verify_identity");
    }
    nora.verify_identity().await;
    let record = nora.final_record(&nora.pull().await).await;
    assert_eq!(record.text("/status"), "available", "{:?}", record.body);
    let listed = nora.records().await;

    assert_eq!(nora.app.put_patient(&nora.moved()).await.unwrap().status, 200);
    for answer in reads(&nora, &record.text("/id")).await {
        refused(&answer, 409, "identity_not_verified", "verify_identity");
        assert!(!answer.body.to_string().contains("http"), "{:?}", answer.body);
    }
    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    let shown = nora.record(&record.text("/id")).await;
    assert_eq!(shown.text("/status"), "available", "{:?}", shown.body);
    assert_eq!(nora.records().await.body, listed.body);
    app.end().await;
}
