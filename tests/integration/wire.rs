//! The shapes that outlive a deployment: stored items, and messages that wait in a queue. A new version of a function
//! reads both as an old version wrote them, so that a change of `wire/*.txt` needs a reader of both shapes.
//!
//! A line is `kind path: type`. A path ends in `?` if not every run of this test writes it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use shared::clock;
use shared::domain::retention::{CORRELATION_DAYS, EndedBy, ITEMS, OBJECTS};

use crate::access_log::later::{objects as sealed_objects, seal_an_entry};
use crate::consent::retention::check_records;
use crate::erasure::{erase, until_erased};
use crate::harness::{Person, TestApp};

const SHAPES: &str = include_str!("wire/items.txt");
const MESSAGES: &str = include_str!("wire/messages.txt");

/// Maps whose keys are data: resource types, and kinds of items.
const MAPS: [&str; 2] = ["counts", "deleted.items"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stored_items_and_messages_keep_their_shapes() {
    let app = TestApp::with(|options| options.time_scale = 5).await;
    app.slow_queues(1).await;
    let watch = app.watch_queues();
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let mut items = BTreeSet::new();
    let record = pull_and_ask(&app, &nora, &mut items).await;
    collect_items(&app, &mut items).await;
    nora.report(&record, "other").await;
    collect_items(&app, &mut items).await;
    nora.export().await;
    collect_items(&app, &mut items).await;
    let mut objects = kinds_of_objects("RecordsBucket", app.objects().await);
    check_records(&app).await;
    assert_eq!(nora.app.get("/v1/me/access-log").await.expect("an answer").status, 200);
    assert_eq!(nora.app.withdraw_consent().await.expect("an answer").status, 200);
    collect_items(&app, &mut items).await;
    let receipt = erase(&nora).await;
    collect_items(&app, &mut items).await;
    until_erased(&app, &nora, &receipt).await;
    collect_items(&app, &mut items).await;
    let messages = watch.bodies();
    let messages = messages.iter().flat_map(|body| {
        let body = serde_json::from_str(body).expect("a message is JSON");
        lines(message_kind(&body), &body)
    });
    compare("items", SHAPES, &items);
    seal_an_entry(&app).await;
    let seals = sealed_objects(&app, "").await.into_iter().map(|(key, _)| key);
    objects.extend(kinds_of_objects("SealsBucket", seals.collect()));
    let listed = OBJECTS.iter().map(|kind| (kind.bucket, kind.prefix));
    assert_eq!(objects, listed.collect());
    compare("messages", MESSAGES, &messages.collect());
    app.end().await;
}

/// A challenge that waits, a pull that waits for its source, its end, and a record under an idempotency key. Returns
/// the id of that record.
async fn pull_and_ask(app: &TestApp, nora: &Person, items: &mut BTreeSet<String>) -> String {
    let passed = nora.pass_challenge().await;
    collect_items(app, items).await;
    app.stand_in().hold_webhooks();
    let accepted = nora
        .app
        .with_key("pull")
        .start_query(&passed.ask())
        .await
        .expect("an answer");
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    app.until_held("network-query.", 3).await;
    collect_items(app, items).await;
    app.stand_in().release_all().await;
    let ended = nora.until_ended(&accepted.text("/id")).await;
    assert_eq!(ended.text("/status"), "completed", "{:?}", ended.body);
    app.stand_in().hold_webhooks();
    let keyed = nora.app.with_key("record");
    let reply = keyed
        .ask_record(&json!({ "conversionType": "pdf" }))
        .await
        .expect("an answer");
    assert_eq!(reply.status, 202, "{:?}", reply.body);
    app.until_held("medical.consolidated-data", 1).await;
    collect_items(app, items).await;
    app.stand_in().release_all().await;
    nora.until_record(&reply.text("/id")).await;
    app.drain().await;
    reply.text("/id")
}

async fn collect_items(app: &TestApp, items: &mut BTreeSet<String>) {
    for item in app.scan().await {
        let kind = item_kind(&item);
        assert_time_to_live(&kind, &item);
        items.extend(lines(&kind, &item));
    }
}

/// Bucket and prefix of these objects, each of which must be of one listed kind.
fn kinds_of_objects(bucket: &str, keys: Vec<String>) -> BTreeSet<(&'static str, &'static str)> {
    let kind = |key: String| {
        let kinds = OBJECTS
            .iter()
            .filter(|kind| kind.bucket == bucket && key.starts_with(kind.prefix));
        let of_key: Vec<_> = kinds.map(|kind| (kind.bucket, kind.prefix)).collect();
        assert_eq!(of_key.len(), 1, "{bucket} {key}");
        of_key
    };
    keys.into_iter().flat_map(kind).collect()
}

/// The item has a time to live only if the table of retention states so, and that time is the stated one.
fn assert_time_to_live(kind: &str, item: &Value) {
    let listed = ITEMS.iter().find(|listed| listed.keys == kind);
    let ended_by = listed.expect("a kind of the table of retention").ended_by;
    let ttl = item["ttl"].as_i64();
    // The root of an erased person, which is two numbers, expires.
    let ended_by = match ttl.is_some() && kind == "OWNER#/PERSON" && item["consent"].is_null() {
        true => EndedBy::Days(CORRELATION_DAYS),
        false => ended_by,
    };
    let expires = ended_by.has_time_to_live() && (kind != "ERASURE#/JOB" || item["receipt"].is_object());
    assert_eq!(ttl.is_some(), expires, "{kind}");
    if !expires {
        return;
    }
    let days = match ended_by {
        EndedBy::Days(days) => i64::from(days),
        EndedBy::Parameter(name) => parameter_default(name),
        _ => return,
    };
    // The items are at most an hour old; a `records_listed` entry has its hour's beginning as time.
    let left = ttl.unwrap_or_default() - clock::now().seconds_ceil();
    let life = days * 86_400;
    assert!((life - 3_660..=life + 1).contains(&left), "{kind}: {left} s left");
}

fn parameter_default(name: &str) -> i64 {
    let stack = crate::template::stack();
    let default = stack
        .section("Parameters")
        .and_then(|all| all[name]["Default"].as_i64());
    default.expect("a parameter with a number")
}

#[test]
fn kinds_of_stored_items_equal_those_with_a_retention() {
    let stored: BTreeSet<&str> = SHAPES
        .lines()
        .filter_map(|line| Some(line.split_once(' ')?.0))
        .collect();
    let listed: BTreeSet<&str> = ITEMS.iter().map(|item| item.keys).collect();
    assert_eq!(stored, listed);
}

/// `OWNER#/RUN#`: both keys without their ids and dates.
fn item_kind(item: &Value) -> String {
    let beginning = |key: &str| {
        let text = item[key].as_str().expect("a key");
        if text.starts_with(|first: char| first.is_ascii_digit()) {
            return "DATE".to_owned();
        }
        text.split_inclusive('#').next().expect("text").to_owned()
    };
    format!("{}/{}", beginning("pk"), beginning("sk"))
}

fn message_kind(body: &Value) -> &'static str {
    ["run", "link", "event", "erasure", "export", "retention"]
        .into_iter()
        .find(|field| !body[field].is_null())
        .unwrap_or("record")
}

/// Every path in a value, with the type of its end. The rate budget has an attribute for each place in use, whose
/// number is left out.
fn lines(kind: &str, value: &Value) -> Vec<String> {
    fn walk(path: &str, value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                let is_map = MAPS.iter().any(|map| path.ends_with(map));
                for (name, field) in fields {
                    let name = match name.strip_prefix("place") {
                        _ if is_map => "*",
                        Some(number) if number.parse::<u32>().is_ok() => "place*",
                        _ => name,
                    };
                    walk(&format!("{path}.{name}"), field, found);
                }
            }
            Value::Array(entries) => entries
                .iter()
                .for_each(|entry| walk(&format!("{path}[]"), entry, found)),
            Value::String(_) => found.push(format!("{path}: string")),
            Value::Number(_) => found.push(format!("{path}: number")),
            Value::Bool(_) => found.push(format!("{path}: boolean")),
            Value::Null => found.push(format!("{path}: null")),
        }
    }
    let mut found = Vec::new();
    walk("", value, &mut found);
    found
        .into_iter()
        .map(|line| format!("{kind} {}", line.trim_start_matches('.')))
        .collect()
}

fn compare(name: &str, expected: &str, found: &BTreeSet<String>) {
    let listed: BTreeSet<_> = expected.lines().map(|line| line.replace("?:", ":")).collect();
    let certain: BTreeSet<_> = expected
        .lines()
        .filter(|line| !line.contains("?:"))
        .map(str::to_owned)
        .collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let missing: Vec<_> = certain.difference(found).collect();
    assert!(
        new.is_empty() && missing.is_empty(),
        "wire/{name}.txt lists other shapes\nnew: {new:#?}\nmissing: {missing:#?}"
    );
}
