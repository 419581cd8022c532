//! A person exports everything that is stored about them, in parts that are deleted a day later.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_machine::app::Reply;
use serde_json::Value;
use shared::domain::export::WITHHELD;
use shared::domain::retention::ITEMS;

use crate::access_log::later::{KeyFile, seal_an_entry};
use crate::consent::withdrawal::hold::Hold;
use crate::erasure::{counts, erase, owner_of, until_erased, until_first_sweep};
use crate::harness::{Person, TestApp, refused, until};
use crate::quarantine::{entries, with_pull};
use crate::records::transfers::hurried;

/// Each exported kind of item, with the `kind` of its line.
const KINDS: [(&str, &str); 7] = [
    ("OWNER#/PERSON", "consent"),
    ("OWNER#/PATIENT", "patient"),
    ("OWNER#/IDENTITY", "identity"),
    ("OWNER#/CHALLENGE", "challenge"),
    ("OWNER#/RUN#", "networkQuery"),
    ("OWNER#/EVENT#", "networkQueryEvent"),
    ("OWNER#/RECORD#", "record"),
];

async fn ask(person: &Person) -> Reply {
    person.app.request_export().await.expect("an answer")
}

async fn read(person: &Person, id: &str) -> Reply {
    person.app.read_export(id).await.expect("an answer")
}

/// Asks for an export; returns its id.
async fn begin_export(person: &Person) -> String {
    let reply = ask(person).await;
    assert_eq!(reply.status, 202, "{:?}", reply.body);
    reply.text("/id")
}

fn parse(lines: &[String]) -> Vec<Value> {
    let parsed = lines.iter().map(|line| serde_json::from_str(line).expect("JSON"));
    parsed.collect()
}

/// The number of lines of each kind.
fn count_lines(states: &[Value]) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    for state in states {
        let kind = state["kind"].as_str().expect("a kind");
        *found.entry(kind.to_owned()).or_default() += 1;
    }
    found
}

async fn owner(app: &TestApp, subject: &str) -> String {
    owner_of(&app.scan().await, &app.patient_of(subject).await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_has_every_state_and_a_log_that_verifies() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    assert_eq!(nora.record(&record).await.status, 200);
    seal_an_entry(&app).await;
    let items = app.scan().await;
    let owner = owner_of(&items, &app.patient_of("nora").await);
    let export = nora.export().await;

    let states = parse(&export["states"]);
    let mut expected: BTreeMap<_, _> = counts(&items, &owner)
        .into_iter()
        .filter_map(|(kind, count)| {
            let shown = KINDS.iter().find(|(stored, _)| *stored == kind);
            Some((shown?.1.to_owned(), count))
        })
        .collect();
    expected.insert("consent".to_owned(), 1);
    assert_eq!(count_lines(&states), expected);
    assert_eq!(expected.len(), KINDS.len());
    let line = states
        .iter()
        .find(|line| line["id"] == record.as_str())
        .expect("the record");
    let shown = nora
        .app
        .get(line["url"].as_str().expect("a path"))
        .await
        .expect("an answer");
    assert!(!nora.download(&shown).await.is_empty());
    assert!(line.get("object").is_none() && line.get("counts").is_none(), "{line}");

    let (code, output) = KeyFile::of(&app).await.verify(&export["access-log"]).await;
    assert_eq!(code, 0, "{output}");
    let logged = export["access-log"].concat();
    assert!(logged.contains("export_requested") && logged.contains("link_minted"));
    assert_eq!(
        (
            entries(&app, "export_requested").await.len(),
            entries(&app, "export_read").await.len()
        ),
        (1, 1)
    );
    app.end().await;
}

/// No line has a value that only the stack can use, or that opens something.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_holds_no_secret_of_the_stack() {
    let app = hurried().await;
    let (nora, _record) = with_pull(&app, "nora").await;
    let items = app.scan().await;
    let owner = owner_of(&items, &app.patient_of("nora").await);
    let item = |sort: &str| {
        let found = items
            .iter()
            .find(|item| item["pk"] == format!("OWNER#{owner}") && item["sk"] == sort);
        found.unwrap_or_else(|| panic!("no {sort}"))
    };
    let (patient, identity) = (item("PATIENT"), item("IDENTITY"));
    let states = nora.export().await["states"].concat();
    for (secret, name) in [
        (&patient["folder"], "folder"),
        (&patient["link"]["demographics"], "hash of the demographics"),
        (&patient["link"]["fingerprint"]["birthDate"], "fingerprint"),
        (&identity["proofed"]["demographics"], "hash at proofing"),
    ] {
        assert!(!states.contains(secret.as_str().expect(name)), "{name}");
    }
    assert!(states.contains(patient["link"]["patient"].as_str().expect("an id")));
    app.end().await;
}

/// Neither consent nor identity is needed: even a newcomer gets a log, and a person who withdrew gets their states.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_without_consent_exports_what_is_stored() {
    let app = TestApp::start().await;
    let omar = app.newcomer("omar", "Jane");
    let export = omar.export().await;
    assert!(!export.contains_key("states"), "{export:?}");
    assert!(export["access-log"].concat().contains("export_requested"));
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.app.withdraw_consent().await.expect("an answer").status, 200);
    let states = parse(&nora.export().await["states"]);
    let consent = states
        .iter()
        .find(|state| state["kind"] == "consent")
        .expect("a consent");
    assert!(
        consent["withdrawnAt"].is_string() && consent.get("given").is_none(),
        "{consent}"
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn earlier_export_answers_another_request() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    hold.call_of("account-work", "PutObject");
    let first = begin_export(&nora).await;
    hold.until_held().await;
    let shown = read(&nora, &first).await;
    assert_eq!(
        (shown.text("/status").as_str(), shown.text("/next/action").as_str()),
        ("processing", "read_export")
    );
    assert!(shown.body.get("parts").is_none());
    assert_eq!(begin_export(&nora).await, first);
    hold.release();
    let complete = nora.until_export(&first).await;
    assert_eq!(complete.text("/status"), "available");
    let keyed = nora.app.with_key("export");
    let second = keyed.request_export().await.expect("an answer").text("/id");
    nora.until_export(&second).await;
    let again = keyed.request_export().await.expect("an answer");
    assert_eq!((again.status, again.text("/id")), (202, second), "the stored reply");
    let third = begin_export(&nora).await;
    nora.until_export(&third).await;
    let before = app.snapshot().await;
    let fourth = ask(&nora).await;
    assert_eq!(
        (fourth.text("/id"), fourth.text("/status")),
        (third, "available".to_owned())
    );
    assert_eq!(app.snapshot().await, before);
    app.end().await;
}

/// Two requests at the same moment want the same number. Only one gets it, and its export answers both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_at_the_same_moment_begin_one_export() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    hold.call_of("account", "TransactWriteItems");
    let (late, first) = tokio::join!(begin_export(&nora), async {
        hold.until_held().await;
        let first = begin_export(&nora).await;
        hold.release();
        first
    });
    assert_eq!(late, first);
    assert_eq!(entries(&app, "export_requested").await.len(), 1);
    app.drain().await;
    app.end().await;
}

/// An item of an unknown kind fails the whole export instead of being left out.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_item_fails_the_export_with_one_dead_letter() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let owner = owner(&app, "nora").await;
    let put = app.aws().dynamodb().put_item().table_name("ias-Table");
    let put = put.item("pk", AttributeValue::S(format!("OWNER#{owner}")));
    let put = put.item("sk", AttributeValue::S("UNKNOWN".to_owned()));
    put.send().await.expect("a row");
    let failed = nora.until_export(&begin_export(&nora).await).await;
    assert_eq!(
        (failed.text("/status").as_str(), failed.text("/next/action").as_str()),
        ("failed", "contact_support")
    );
    app.drain().await;
    app.reconcile().await;
    app.drain().await;
    assert_eq!(app.dead_letters(), 1);
    app.stop().await;
}

/// At this scale, an export can be read for ten seconds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_is_gone_after_its_day() {
    let app = TestApp::with(|options| options.time_scale = 8_640).await;
    let nora = app.person("nora", "Jane").await;
    let id = begin_export(&nora).await;
    until("the export is deleted", async || {
        app.reconcile().await;
        let gone = read(&nora, &id).await.status == 404;
        let items = app.scan().await;
        let stored = items
            .iter()
            .any(|item| item["sk"].as_str().is_some_and(|sort| sort.starts_with("EXPORT#")));
        (gone && !stored && app.objects().await.is_empty()).then_some(())
    })
    .await;
    refused(&read(&nora, &id).await, 404, "not_found", "none");
    app.end().await;
}

/// More states than one part holds: 2,500 lines of a timeline, two kilobytes each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_export_has_several_parts() {
    const LINES: usize = 2_500;
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let (owner, table) = (owner(&app, "nora").await, app.aws().dynamodb());
    let pull = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
    let text = |text: String| AttributeValue::S(text);
    for n in 0..LINES {
        let put = table.put_item().table_name("ias-Table");
        put.item("pk", text(format!("OWNER#{owner}")))
            .item("sk", text(format!("EVENT#{pull}#{n:06}")))
            .item("n", AttributeValue::N(n.to_string()))
            .item("at", AttributeValue::N("1700000000000".to_owned()))
            .item("event", long_event())
            .send()
            .await
            .expect("a row");
    }
    let id = begin_export(&nora).await;
    let export = nora.until_export(&id).await;
    let of_states = export.list("/parts").iter().filter(|part| part["content"] == "states");
    let lines: Vec<_> = of_states
        .map(|part| part["lines"].as_u64().expect("a number"))
        .collect();
    assert!(lines.len() > 1, "{lines:?}");
    let exported = nora.export().await;
    let states = parse(&exported["states"]);
    assert_eq!(count_lines(&states)["networkQueryEvent"], LINES as u64);
    app.end().await;
}

/// An event of two kilobytes.
fn long_event() -> AttributeValue {
    let source = HashMap::from([("source".to_owned(), AttributeValue::S("hie".to_owned()))]);
    let sources = AttributeValue::L(vec![AttributeValue::M(source); 120]);
    let report = AttributeValue::M(HashMap::from([("sources".to_owned(), sources)]));
    let code = AttributeValue::S("polled".to_owned());
    AttributeValue::M(HashMap::from([
        ("code".to_owned(), code),
        ("report".to_owned(), report),
    ]))
}

/// The worker's part arrives after the first sweep. Nothing of the export is left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasure_during_an_export_leaves_nothing_of_it() {
    let (hold, app) = Hold::start_hurried().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    nora.export().await;
    hold.call_of("account-work", "PutObject");
    let id = begin_export(&nora).await;
    hold.until_held().await;
    let receipt = erase(&nora).await;
    refused(&ask(&nora).await, 409, "erasure_in_progress", "retry");
    until_first_sweep(&app).await;
    hold.release();
    until_erased(&app, &nora, &receipt).await;
    assert_eq!(app.objects().await, Vec::<String>::new());
    refused(&read(&nora, &id).await, 404, "not_found", "none");
    app.end().await;
}

#[test]
fn every_kind_of_a_persons_items_is_exported_or_withheld() {
    let exported = KINDS.iter().map(|(stored, _)| *stored);
    let withheld = WITHHELD.iter().map(|(stored, _)| *stored);
    let mut decided: Vec<_> = exported.chain(withheld).collect();
    let mut stored: Vec<_> = ITEMS
        .iter()
        .map(|kind| kind.keys)
        .filter(|keys| keys.starts_with("OWNER#/"))
        .collect();
    decided.sort_unstable();
    stored.sort_unstable();
    assert_eq!(decided, stored);
}
