//! The access log: every access leaves one entry, in the transaction of its effect, and no link exists without one.

mod export;
mod large;
pub(crate) mod later;
mod patient;
mod reading;
mod sealing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox_aws::{Call, Ending, Failure, Interceptor, Service, Verdict};
use sandbox_host::access_key_id;
use serde_json::{Value, json};
use shared::config::Env;
use shared::domain::log::{Access, Actor, LogEntry, leaf};
use shared::domain::{OwnerId, Timing};
use shared::store::{NoteHour, StoreError, Table};
use tokio::task::JoinSet;

use crate::harness::{Passed, Person, TestApp, refused};

/// The accesses of a person who pulls once from one source, changes their demographics and reads the record, with the
/// function and whether the person did it themselves.
const ACCESSES: [(&str, &str, bool); 12] = [
    ("consent_given", "account", true),
    ("linked", "identity-session", true),
    ("demographics_changed", "identity-session", true),
    ("session_opened", "identity-session", true),
    ("identity_verified", "webhook-process", false),
    ("challenge_opened", "aal2-challenge", true),
    ("pull_accepted", "network-query", true),
    ("pull_started", "query-dispatch", false),
    ("record_stored", "record-fetch", false),
    ("pull_ended", "query-dispatch", false),
    ("link_minted", "record-read", true),
    ("records_listed", "record-read", true),
];

/// The stored entries, in the order of their keys.
async fn entries(app: &TestApp) -> Vec<Value> {
    let mut items = app.scan().await;
    items.retain(|item| item["pk"].as_str().is_some_and(|pk| pk.starts_with("LOG#")));
    items
}

async fn of_kind(app: &TestApp, what: &str) -> Vec<Value> {
    let mut items = entries(app).await;
    items.retain(|item| item["what"] == what);
    items
}

/// A person whose token names an app.
async fn person_of(app: &TestApp, subject: &str, client: &str) -> Person {
    let mut person = app.newcomer(subject, "Jane");
    person.app = app.app_with(subject, &json!({ "client_id": client }));
    person.give_consent().await;
    person
}

/// Makes the accesses of [`ACCESSES`]. Some requests are repeated or refused; they leave no entry.
async fn make_accesses(app: &TestApp, nora: &Person) -> Passed {
    assert_eq!((nora.link().await.status, nora.link().await.status), (200, 200));
    refused(&nora.records().await, 409, "identity_not_verified", "verify_identity");
    assert_eq!(nora.app.put_patient(&nora.moved()).await.unwrap().status, 200);
    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    let passed = nora.pass_challenge().await;
    // The start is answered before a webhook proves it.
    app.stand_in().hold_webhooks();
    let accepted = nora.app.start_query(&passed.ask_of(&["lab"])).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    app.until_held("network-query.", 1).await;
    app.drain().await;
    app.stand_in().release_all().await;
    let pull = nora.until_ended(&accepted.text("/id")).await;
    assert!(nora.final_record(&pull).await.body.get("link").is_some());
    assert_eq!((nora.records().await.status, nora.records().await.status), (200, 200));
    passed
}

fn assert_consistent(item: &Value) {
    let text = item["entry"].as_str().expect("an entry");
    let entry = LogEntry::parse(text).expect("an entry");
    assert_eq!(item["sk"], entry.sort_key());
    assert_eq!(item["leaf"], leaf(text).to_string());
    assert_eq!((&item["via"], &item["what"]), (&json!(entry.via), &json!(entry.what)));
    let shard = item["logDay"].as_str().and_then(|day| day.strip_prefix("DAY#"));
    assert!(shard.is_some_and(|day| day.starts_with(&entry.at.date())), "{item}");
    assert_eq!(item["ttl"], entry.at.seconds_ceil() + 2192 * 86_400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_effect_leaves_one_entry() {
    let app = TestApp::start().await;
    let nora = person_of(&app, "nora", "app").await;
    make_accesses(&app, &nora).await;
    let items = entries(&app).await;
    items.iter().for_each(assert_consistent);
    // The entry of a list has the time at which the hour began.
    let (listed, others): (Vec<_>, Vec<_>) = items.iter().partition(|item| item["what"] == "records_listed");
    let written = others.iter().chain(&listed).map(|item| {
        let who = item["who"].as_str().expect("an actor");
        assert!(who == "function" || who.len() == 22, "{item}");
        let text = |name: &str| item[name].as_str().expect("a text").to_owned();
        (text("what"), text("via"), who != "function")
    });
    let expected = ACCESSES.map(|(what, via, person)| (what.to_owned(), via.to_owned(), person));
    assert_eq!(written.collect::<Vec<_>>(), expected);
    let whose: BTreeSet<&str> = items.iter().filter_map(|item| item["pk"].as_str()).collect();
    assert_eq!(whose.len(), 1, "an entry of another person: {whose:?}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn challenge_names_its_second_factor() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    nora.pass_challenge().await;
    let [opened] = &of_kind(&app, "challenge_opened").await[..] else {
        panic!("one challenge")
    };
    let entry: Value = serde_json::from_str(opened["entry"].as_str().unwrap()).unwrap();
    assert_eq!(entry["method"], "totp");
    // The token names no app.
    assert_eq!((&opened["who"], &entry["by"]), (&json!("person"), &json!("person")));
    assert!(entry.get("client").is_none());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_hold_nothing_about_the_person_or_of_metriport() {
    let app = TestApp::start().await;
    let nora = person_of(&app, "nora", "app-of-nora").await;
    let passed = make_accesses(&app, &nora).await;
    let (patient, identity) = (app.patient_of("nora").await, app.proofed_identity("nora").await);
    let known = [&patient, &identity, &passed.challenge, &passed.session];
    let personal = ["nora", "Jane", "Quill", "9375550142", "Birch", "Elm"];
    let items = entries(&app).await;
    assert_eq!(items.len(), ACCESSES.len());
    for item in items.iter().map(Value::to_string) {
        for text in known.iter().map(|id| id.as_str()).chain(personal) {
            assert!(!item.contains(text), "{text} in {item}");
        }
    }
    app.end().await;
}

/// Lists of one app make one entry an hour. The test may run across the end of an hour.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_each_app_leave_one_entry_an_hour() {
    let app = TestApp::start().await;
    let nora = person_of(&app, "nora", "first").await;
    nora.verify_identity().await;
    let other = app.app_with("nora", &json!({ "azp": "second" }));
    for _ in 0..3 {
        assert_eq!(nora.records().await.status, 200);
        assert_eq!(other.get("/v1/records").await.unwrap().status, 200);
    }
    let mut seen = BTreeSet::new();
    for item in of_kind(&app, "records_listed").await {
        let entry = LogEntry::parse(item["entry"].as_str().unwrap()).unwrap();
        let hour = entry.at.log_hour(Timing::default());
        assert!(hour.until(entry.at).as_millis() < 2, "{item}");
        assert!(
            seen.insert((item["who"].to_string(), hour)),
            "two entries of one app: {item}"
        );
    }
    let apps: BTreeSet<&String> = seen.iter().map(|(who, _)| who).collect();
    assert_eq!(apps.len(), 2, "{seen:?}");
    app.end().await;
}

/// Faults of the transactions of `record-read`.
#[derive(Default)]
struct MintFaults {
    /// Refuses every transaction.
    refuses: AtomicBool,
    /// Loses the answer to one transaction.
    loses: AtomicBool,
}

fn is_mint(call: &Call) -> bool {
    let is_write = call.service == Service::DynamoDb && call.operation == "TransactWriteItems";
    is_write && call.access_key_id == Some(access_key_id("record-read"))
}

#[async_trait::async_trait]
impl Interceptor for MintFaults {
    async fn before(&self, call: &Call) -> Verdict {
        match is_mint(call) && self.refuses.load(Ordering::SeqCst) {
            true => Verdict::Fail(Failure::Unavailable),
            false => Verdict::Forward,
        }
    }

    async fn after(&self, call: &Call, _status: u16) -> Ending {
        match is_mint(call) && self.loses.swap(false, Ordering::SeqCst) {
            true => Ending::Drop,
            false => Ending::Return,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_link_without_its_entry() {
    const AT_ONCE: usize = 8;
    let faults = Arc::new(MintFaults::default());
    let app = TestApp::with(|options| options.faults.aws = Some(faults.clone())).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.pull().await;

    faults.refuses.store(true, Ordering::SeqCst);
    refused(&nora.final_record(&pull).await, 503, "unavailable", "retry");
    assert_eq!(of_kind(&app, "link_minted").await.len(), 0);
    faults.refuses.store(false, Ordering::SeqCst);

    // The SDK sends the transaction again, and DynamoDB recognises it.
    faults.loses.store(true, Ordering::SeqCst);
    let first = nora.final_record(&pull).await;
    assert!(first.body.get("link").is_some() && !faults.loses.load(Ordering::SeqCst));
    assert_eq!(of_kind(&app, "link_minted").await.len(), 1);
    let left = first.headers["ratelimit"].to_str().unwrap();
    assert!(
        left.starts_with("\"links\";r=29;"),
        "the refused request was charged: {left}"
    );

    let mut asking = JoinSet::new();
    for _ in 0..AT_ONCE {
        let (app, path) = (nora.app.clone(), pull.text("/next/url"));
        asking.spawn(async move { app.get(&path).await.expect("an answer") });
    }
    for reply in asking.join_all().await {
        assert!(reply.body.get("link").is_some(), "{:?}", reply.body);
    }
    assert_eq!(of_kind(&app, "link_minted").await.len(), 1 + AT_ONCE);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_with_an_entry_needs_a_retention() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let read = |days: &str| {
        let env = Env::from_pairs([("TABLE_NAME", "ias-Table"), ("ACCESS_LOG_RETENTION_DAYS", days)]);
        let table = Table::read(&app.aws().dynamodb(), &env).unwrap();
        (table.clone(), table.with_log(&env, "test", Timing::default()))
    };
    for days in ["", "0", "-1", "six", "65536"] {
        let error = read(days).1.err().map(|error| error.name);
        assert_eq!(error, Some("ACCESS_LOG_RETENTION_DAYS"), "{days}");
    }
    let owner = OwnerId::parse("v1.o").unwrap();
    let now = shared::clock::now();
    let noted = async |table: Table| {
        table
            .note_hour(&owner, Access::RecordsListed, &Actor::Function, now)
            .await
    };
    let (without, with) = read("2192");
    assert!(matches!(noted(without).await, Err(StoreError::Refused(_))));
    assert_eq!(entries(&app).await.len(), 0);
    noted(with.unwrap()).await.unwrap();
    assert_eq!(entries(&app).await.len(), 1);
    app.end().await;
}
