//! `GET /v1/me/access-log`, over HTTP and with seals that the function made.

use std::collections::BTreeSet;

use reqwest::Method;
use sandbox_machine::app::{Reply, reply};
use serde_json::{Value, json};

use super::later::KeyFile;
use super::{of_kind, person_of};
use crate::harness::{Person, TestApp, pointers, refused, retry_after, until};

const LOG: &str = "/v1/me/access-log";
/// A day of the log takes ten seconds.
const SCALE: u32 = 8_640;

async fn read(person: &Person, path: &str) -> Reply {
    person.app.get(path).await.expect("an answer")
}

async fn read_as(person: &Person, path: &str, accept: &str) -> Reply {
    let request = person.app.request(Method::GET, path).header("accept", accept);
    reply(request).await.expect("an answer")
}

/// All pages from the first to the last, exactly as received. An entry's bytes count.
async fn read_all(person: &Person) -> Vec<String> {
    let (mut path, mut pages) = (LOG.to_owned(), Vec::new());
    loop {
        let answer = person.app.request(Method::GET, &path).send().await.expect("an answer");
        let text = answer.text().await.expect("a page");
        let page: Value = serde_json::from_str(&text).expect("JSON");
        pages.push(text);
        match page["next"]["action"].as_str() {
            Some("read_access_log") => path = page["next"]["url"].as_str().expect("an address").to_owned(),
            Some("none") => return pages,
            _ => panic!("{page}"),
        }
    }
}

/// Waits until the function has sealed the day of an entry. Returns the person's pages.
async fn until_sealed(app: &TestApp, person: &Person, what: &str) -> Vec<String> {
    until(&format!("{what} is sealed"), async || {
        app.seal().await.expect("seals");
        let pages = read_all(person).await;
        let is_sealed = |page: &String| {
            let page: Value = serde_json::from_str(page).expect("JSON");
            page["days"].to_string().contains(what)
        };
        pages.iter().any(is_sealed).then_some(pages)
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_reads_a_sealed_log_even_after_a_withdrawal() {
    let app = TestApp::with(|options| options.time_scale = SCALE).await;
    let nora = person_of(&app, "nora", "app").await;
    assert_eq!(nora.app.withdraw_consent().await.expect("an answer").status, 200);
    let pages = until_sealed(&app, &nora, "consent_withdrawn").await;
    let (code, output) = KeyFile::of(&app).await.verify(&pages).await;
    assert_eq!(code, 0, "{output}");
    assert!(output.contains("complete and unchanged"), "{output}");
    // Another person has other entries.
    let omar = app.newcomer("omar", "Jane");
    let pages = read_all(&omar).await;
    assert!(
        pages.iter().all(|page| !page.contains("consent_withdrawn")),
        "{pages:?}"
    );
    let (code, output) = KeyFile::of(&app).await.verify(&pages).await;
    assert_eq!(code, 0, "{output}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_without_seals_or_entries_has_a_tail() {
    let app = TestApp::start().await;
    let nora = app.newcomer("nora", "Jane");
    let page = read(&nora, LOG).await;
    assert_eq!(page.status, 200, "{:?}", page.body);
    assert_eq!((&page.body["days"], &page.body["log"]["v"]), (&json!([]), &json!(1)));
    assert!(page.body["log"].get("sealedThrough").is_none());
    let [entry] = &page.body["unsealed"]["entries"].as_array().expect("entries")[..] else {
        panic!("{:?}", page.body)
    };
    assert_eq!((&entry["what"], &entry["via"]), (&json!("log_read"), &json!("account")));
    assert_eq!(page.text("/next/action"), "none");
    // A second page of the hour leaves no second entry. The test may run across the end of an hour.
    read(&nora, LOG).await;
    let read = of_kind(&app, "log_read").await;
    let hours: BTreeSet<_> = read.iter().map(|item| item["sk"].to_string()).collect();
    assert!(read.len() == hours.len() && read.len() <= 2, "{read:?}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn log_is_read_as_fhir() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let bundle = read_as(&nora, LOG, "application/fhir+json").await;
    assert_eq!(bundle.status, 200, "{:?}", bundle.body);
    assert_eq!(bundle.headers["content-type"], "application/fhir+json");
    assert_eq!(bundle.text("/resourceType"), "Bundle");
    let entries = bundle.list("/entry");
    let codes: BTreeSet<_> = entries
        .iter()
        .map(|entry| entry["resource"]["subtype"][0]["code"].as_str())
        .collect();
    assert_eq!(codes, BTreeSet::from([Some("consent_given"), Some("log_read")]));
    assert!(
        entries
            .iter()
            .all(|entry| entry["resource"]["resourceType"] == "AuditEvent")
    );
    assert_eq!(bundle.text("/link/0/relation"), "self");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_requests_are_refused_and_leave_no_entry() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let before = app.snapshot().await;
    for (query, pointer) in [
        ("from=yesterday", "/from"),
        ("to=2026-02-30", "/to"),
        ("from=2020-01-02&to=2020-01-01", "/to"),
        ("from=2020-01-01&to=2021-01-02", "/from"),
        ("from=2020-01-01.7of24", "/from"),
        ("cursor=", "/cursor"),
        ("cursor=e30.00", "/cursor"),
        ("cursor=e30.00&from=2020-01-01", "/from"),
    ] {
        let answer = read(&nora, &format!("{LOG}?{query}")).await;
        refused(&answer, 400, "invalid_request", "fix_request");
        assert_eq!(pointers(&answer), [pointer], "{query}");
    }
    for accept in ["application/json, application/fhir+json", "text/html"] {
        refused(&read_as(&nora, LOG, accept).await, 406, "not_acceptable", "fix_request");
    }
    assert_eq!(app.snapshot().await, before);
    app.end().await;
}

/// Pages cost more reads than other requests, so each person has a share of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_of_one_person_are_limited_without_affecting_others() {
    let app = TestApp::start().await;
    let (nora, omar) = (app.newcomer("nora", "Jane"), app.newcomer("omar", "Jane"));
    let mut pages = 0;
    let beyond = loop {
        let page = read(&nora, LOG).await;
        if page.status != 200 {
            break page;
        }
        pages += 1;
        assert_eq!(page.headers["ratelimit-policy"], "\"log\";q=30;w=60");
        assert!(pages < 300, "no page is refused");
    };
    refused(&beyond, 429, "too_many_requests", "retry");
    assert!(pages >= 30 && (1..=2).contains(&retry_after(&beyond)), "{pages} pages");
    app.until_metric("ShareRefusals", &[("Share", "log")], 1).await;
    assert_eq!(read(&omar, LOG).await.status, 200);
    app.end().await;
}
