//! Consent: every route that links, proofs, challenges, pulls or reads requires it, and its notice is the one in force.

pub(crate) mod retention;
pub(crate) mod withdrawal;

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_host::template::Route;
use sandbox_machine::app::{QueryAsk, Reply, consent, reply};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN, NOTICE};
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, pointers, refused};
use crate::isolation::{UNKNOWN, with_id};
use crate::template::routes;

/// Routes that need no consent: they show or export states or the access log, are about the consent itself, report
/// another person's record, or erase the person.
const OPEN: [&str; 14] = [
    "GET /v1/identity",
    "POST /v1/webhooks/metriport",
    "GET /v1/network-queries",
    "GET /v1/network-queries/{id}",
    "GET /v1/network-queries/{id}/timeline",
    "GET /v1/me/access-log",
    "POST /v1/me/exports",
    "GET /v1/me/exports/{id}",
    "GET /v1/me/consent",
    "PUT /v1/me/consent",
    "DELETE /v1/me/consent",
    "POST /v1/records/{id}/not-me",
    "DELETE /v1/me",
    "GET /v1/erasures/{receipt}",
];
const DAY_MILLIS: i64 = 86_400_000;

fn notice() -> Value {
    let [version, sha256, url] = NOTICE;
    json!({ "version": version, "sha256": sha256, "url": url })
}

/// A consent to the sandbox's notice.
pub(crate) fn to_notice(scopes: &[&str]) -> Value {
    let [version, sha256, _] = NOTICE;
    consent(version, sha256, scopes)
}

async fn put(person: &Person, body: &Value) -> Reply {
    person.app.put_consent(body).await.expect("an answer")
}

async fn read(person: &Person) -> Reply {
    person.app.get("/v1/me/consent").await.expect("an answer")
}

fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

/// A well-formed request of a gated route.
async fn ask(person: &Person, route: &Route) -> Reply {
    let redirect = |url: &str| json!({ "redirectUrl": url });
    let body = match name(route).as_str() {
        "PUT /v1/patient" => person.demographics().clone(),
        "POST /v1/identity-sessions" => redirect(IDENTITY_RETURN),
        "POST /v1/aal2-challenges" => redirect(AAL2_RETURN),
        "POST /v1/network-queries" => QueryAsk::everything("aalc_1", "aal2_1").body,
        "POST /v1/records" => json!({ "conversionType": "json" }),
        "GET /v1/records" | "GET /v1/records/{id}" => Value::Null,
        other => panic!("no case for {other}"),
    };
    let method = route.method.parse().expect("a method");
    let mut request = person.app.request(method, &with_id(&route.path, UNKNOWN));
    if !body.is_null() {
        request = request.header("x-aal2-session", "aal2_1").json(&body);
    }
    reply(request).await.expect("an answer")
}

fn gated() -> impl Iterator<Item = Route> {
    routes()
        .into_iter()
        .filter(|route| !OPEN.contains(&name(route).as_str()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_gated_route_refuses_without_consent() {
    let app = TestApp::start().await;
    let nora = app.newcomer("nora", "Jane");
    let before = app.snapshot().await;
    for route in gated() {
        let answer = ask(&nora, &route).await;
        refused(&answer, 403, "consent_required", "give_consent");
        assert_eq!(answer.body["next"]["notice"], notice(), "{}", name(&route));
    }
    assert_eq!(app.snapshot().await, before);
    assert_eq!(nora.app.identity().await.unwrap().text("/next/action"), "give_consent");
    nora.give_consent().await;
    for route in gated() {
        assert_ne!(ask(&nora, &route).await.code(), "consent_required", "{}", name(&route));
    }
    assert_eq!(gated().count(), 7);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn same_consent_again_is_neither_written_nor_logged() {
    let app = TestApp::start().await;
    let nora = app.newcomer("nora", "Jane");
    assert_eq!(read(&nora).await.text("/status"), "none");
    let first = put(&nora, &to_notice(&["pull", "keep"])).await;
    assert_eq!(
        (first.status, first.text("/status").as_str()),
        (200, "granted"),
        "{:?}",
        first.body
    );
    assert_eq!(granted(&first), [true, true]);
    let before = app.table().await;
    assert_eq!(before.len(), 2, "the root and the entry: {before:?}");
    let again = put(&nora, &to_notice(&["keep", "pull"])).await;
    assert_eq!((again.body, app.table().await), (first.body, before));
    let without_keep = put(&nora, &to_notice(&["pull"])).await;
    assert_eq!(granted(&without_keep), [true, false]);
    let table = app.table().await;
    let entries = table.iter().filter(|item| item["what"] == "consent_given");
    assert_eq!(entries.count(), 2);
    app.end().await;
}

/// Whether each scope is granted.
fn granted(reply: &Reply) -> Vec<bool> {
    let scopes = reply.list("/scopes").iter();
    scopes.filter_map(|scope| scope["granted"].as_bool()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_to_another_notice_is_refused() {
    let app = TestApp::start().await;
    let nora = app.newcomer("nora", "Jane");
    let [version, sha256, _] = NOTICE;
    for (version, sha256) in [("sandbox-0", sha256), (version, "0".repeat(64).as_str())] {
        let answer = put(&nora, &consent(version, sha256, &["pull"])).await;
        refused(&answer, 409, "notice_not_in_force", "give_consent");
        assert_eq!(answer.body["next"]["notice"], notice());
    }
    let answer = put(&nora, &to_notice(&["keep"])).await;
    refused(&answer, 400, "invalid_request", "fix_request");
    assert_eq!(pointers(&answer), ["/scopes"]);
    assert!(app.table().await.is_empty());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_notice_asks_each_person_again() {
    let dir = tempfile::tempdir().unwrap();
    let start = async |version: &str| {
        let (dir, version) = (dir.path().to_owned(), version.to_owned());
        TestApp::with(|options| {
            options.data_dir = Some(dir);
            options.notice.as_mut().unwrap()[0] = version;
        })
        .await
    };
    let app = start("1").await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    app.end().await;
    let app = start("2").await;
    let nora = app.newcomer("nora", "Jane");
    let answer = nora.link().await;
    refused(&answer, 403, "consent_required", "give_consent");
    assert_eq!(answer.text("/next/notice/version"), "2");
    assert_eq!(read(&nora).await.text("/status"), "superseded");
    nora.give_consent().await;
    assert_eq!(nora.link().await.status, 200);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_that_the_app_keeps_is_neither_asked_nor_stored() {
    let app = TestApp::with(|options| options.notice = None).await;
    let nora = app.newcomer("nora", "Jane");
    let answer = put(&nora, &to_notice(&["pull"])).await;
    refused(&answer, 409, "consent_kept_elsewhere", "none");
    let shown = read(&nora).await;
    assert_eq!(
        (shown.text("/status").as_str(), shown.body.get("notice")),
        ("kept_elsewhere", None)
    );
    assert_eq!(nora.link().await.status, 200);
    assert!(app.table().await.iter().all(|item| item["sk"] != "PERSON"));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_without_consent_to_keep_it_is_hidden_after_its_days() {
    let app = TestApp::start().await;
    let nora = app.newcomer("nora", "Jane");
    assert_eq!(put(&nora, &to_notice(&["pull"])).await.status, 200);
    nora.verify_identity().await;
    let pull = nora.pull().await;
    let record = nora.final_record(&pull).await.text("/id");
    end_records_before(&app, 91).await;
    refused(&nora.record(&record).await, 404, "not_found", "none");
    assert!(nora.records().await.list("/records").is_empty());
    assert_eq!(put(&nora, &to_notice(&["pull", "keep"])).await.status, 200);
    assert_eq!(nora.record(&record).await.text("/status"), "available");
    // The days count anew from the end of the consent to keep records.
    assert_eq!(put(&nora, &to_notice(&["pull"])).await.status, 200);
    assert_eq!(nora.record(&record).await.text("/status"), "available");
    app.end().await;
}

/// Moves the end of every record this many days back.
async fn end_records_before(app: &TestApp, days: i64) {
    set_time(app, "RECORD#", "endedAt", days).await;
}

/// Sets a time of every item whose sort key begins with `sort`, this many days back.
async fn set_time(app: &TestApp, sort: &str, attribute: &str, days: i64) {
    let time = shared::clock::now().millis() - days * DAY_MILLIS;
    for item in app
        .scan()
        .await
        .iter()
        .filter(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with(sort)))
    {
        let text = |name: &str| AttributeValue::S(item[name].as_str().unwrap().to_owned());
        let update = app.aws().dynamodb().update_item().table_name("ias-Table");
        let update = update.key("pk", text("pk")).key("sk", text("sk"));
        let update = update.update_expression("SET #time = :time");
        let update = update.expression_attribute_names("#time", attribute);
        let update = update.expression_attribute_values(":time", AttributeValue::N(time.to_string()));
        update.send().await.expect("an update");
    }
}
