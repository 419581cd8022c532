//! `ias account quarantine`: an operator lists, shows, releases and purges quarantined records.

mod purge;

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Operator;
use crate::harness::{Person, TestApp, refused};
use crate::quarantine::{assert_hidden, entries, pull_again, with_pull};
use crate::records::transfers::hurried;

const ARN: &str = "arn:aws:iam::000000000000:user/OPERATOR";

/// The owner id of the only person.
async fn owner(app: &TestApp) -> String {
    let items = app.scan().await;
    let root = items.iter().find(|item| item["sk"] == "PERSON").expect("a root");
    let pk = root["pk"].as_str().expect("a key");
    pk.strip_prefix("OWNER#").expect("an owner").to_owned()
}

fn command<'c>(verb: &'c str, owner: &'c str, more: &[&'c str]) -> Vec<&'c str> {
    [&["account", "quarantine", verb, "--owner", owner][..], more].concat()
}

/// The version that `show` prints.
async fn version(operator: &Operator, owner: &str) -> String {
    let shown = operator.types(&command("show", owner, &[])).await.well(&[]);
    let found = shown.lines().find_map(|line| line.strip_prefix("version="));
    found.expect("a version").to_owned()
}

/// A person with an earlier pull and a reported one: their records.
async fn with_reported(app: &TestApp) -> (Person, String, String) {
    let (nora, earlier) = with_pull(app, "nora").await;
    let reported = pull_again(&nora).await;
    nora.report(&reported, "mixed_persons").await;
    (nora, earlier, reported)
}

fn operators(entries: &[Value]) -> BTreeSet<&str> {
    entries.iter().filter_map(|entry| entry["by"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantine_is_listed_and_shown_with_the_ids_for_metriport() {
    let app = hurried().await;
    let operator = Operator::of(&app);
    let list = ["account", "quarantine", "list"];
    operator.types(&list).await.well(&["quarantines=0 overdue=0"]);
    let (nora, earlier, reported) = with_reported(&app).await;
    let owner = owner(&app).await;
    let patient = app.patient_of("nora").await;
    let line = format!("owner={owner} network_query=");
    let listed = operator.types(&list).await;
    listed.well(&[&line, " reasons=mixed_persons", "quarantines=1 overdue=0"]);
    let pull = nora.record(&reported).await.text("/networkQuery");
    let shown = operator.types(&command("show", &owner, &[])).await.well(&[
        &format!("patient={patient} external_id=nora"),
        &format!("network_query={pull} request="),
        &format!("record={reported} request="),
        "give Metriport the patient",
        "release --owner",
    ]);
    assert!(!shown.contains(&earlier), "{shown}");
    let logged = entries(&app, "quarantine_shown").await;
    assert_eq!((logged.len(), operators(&logged)), (3, BTreeSet::from([ARN])));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn released_record_is_shown_again_with_the_reason_in_the_log() {
    let app = hurried().await;
    let (nora, _, reported) = with_reported(&app).await;
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    let version = version(&operator, &owner).await;
    for reason in [&[][..], &["--reason", "Nora is the same person"], &["--reason", ""]] {
        let reason = [reason, &["--version", &version]].concat();
        let ended = operator.types(&command("release", &owner, &reason)).await;
        assert_eq!(ended.code, Some(2), "{}", ended.output);
    }
    assert_hidden(&nora.record(&reported).await.body);
    let reason = ["--reason", "reported_by_mistake", "--version", &version];
    let release = command("release", &owner, &reason);
    operator.types(&release).await.well(&["released owner=v1."]);
    assert_eq!(nora.record(&reported).await.text("/status"), "available");
    let list = nora.records().await;
    assert_eq!(list.text("/quarantine/status"), "released");
    assert_eq!(list.text("/quarantine/next/action"), "none");
    let logged = entries(&app, "quarantine_released").await;
    assert_eq!(logged.len(), 1);
    assert_eq!(
        (&logged[0]["by"], &logged[0]["result"]),
        (&json!(ARN), &json!("reported_by_mistake"))
    );
    operator
        .types(&release)
        .await
        .badly(&["this person has no active quarantine"]);
    let list = ["account", "quarantine", "list"];
    operator.types(&list).await.well(&["quarantines=0"]);
    assert_eq!(
        pull_again(&nora).await.len(),
        reported.len(),
        "the person can pull again"
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purged_records_leave_neither_object_nor_item() {
    let app = hurried().await;
    let (nora, earlier) = with_pull(&app, "nora").await;
    let reported = pull_again(&nora).await;
    let pdf = nora.ask_record(&json!({ "conversionType": "pdf" })).await;
    assert_eq!(nora.until_record(&pdf).await.text("/status"), "available");
    nora.report(&pdf, "other_person").await;
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    app.drain().await;
    let before = app.table().await;
    let look = operator.types(&command("purge", &owner, &[])).await;
    look.well(&[
        &format!("record={reported}"),
        &format!("record={pdf}"),
        "Nothing was deleted",
    ]);
    let shown = entries(&app, "quarantine_shown").await;
    assert_eq!((shown.len(), operators(&shown)), (1, BTreeSet::from([ARN])));
    let mut after = app.table().await;
    after.retain(|item| item["what"] != "quarantine_shown");
    assert_eq!(after, before);
    assert_eq!(app.objects().await.len(), 3);
    let version = version(&operator, &owner).await;
    let purge = command("purge", &owner, &["--confirm", "--version", &version]);
    operator.types(&purge).await.well(&["purged owner=v1.", "records=2"]);

    let left = app.objects().await;
    assert!(left.len() == 1 && left[0].contains(&earlier), "{left:?}");
    let records = app.table().await.into_iter();
    let records = records.filter(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with("RECORD#")));
    assert_eq!(records.count(), 1);
    assert_eq!(nora.record(&earlier).await.text("/status"), "available");
    for gone in [&reported, &pdf] {
        refused(&nora.record(gone).await, 404, "not_found", "none");
    }
    assert_eq!(nora.records().await.text("/quarantine/status"), "purged");
    let pulls = nora.app.get("/v1/network-queries").await.unwrap();
    let actions = pulls.list("/networkQueries").iter().map(|pull| &pull["next"]["action"]);
    assert_eq!(actions.collect::<Vec<_>>(), ["open_challenge", "read_record"]);
    let logged = entries(&app, "quarantine_purged").await;
    assert_eq!((logged.len(), operators(&logged)), (1, BTreeSet::from([ARN])));
    operator
        .types(&purge)
        .await
        .badly(&["this person has no active quarantine"]);
    pull_again(&nora).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn records_of_an_open_pull_are_not_purged() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let pull = nora.start_from(&["hie", "lab"]).await;
    let hie = app.until_held("network-query.hie", 1).await.remove(0);
    app.deliver(&hie).await;
    let record = crate::harness::until("the pull has a record", async || {
        let pull = nora.read_pull(&pull).await;
        let first = pull.list("/records").first()?["id"].as_str()?.to_owned();
        Some(first)
    })
    .await;
    nora.report(&record, "other").await;
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    let version = version(&operator, &owner).await;
    let purge = command("purge", &owner, &["--confirm", "--version", &version]);
    let reason = format!("the pull {pull} is open");
    operator.types(&purge).await.badly(&[&reason]);
    assert!(entries(&app, "quarantine_purged").await.is_empty());
    app.stand_in().release_all().await;
    nora.until_ended(&pull).await;
    app.drain().await;
    operator.types(&purge).await.well(&["purged owner=v1."]);
    assert!(app.objects().await.is_empty());
    app.end().await;
}

/// A report that comes after `show` has a cause that the operator has not seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantine_that_changed_after_show_is_not_ended() {
    let app = hurried().await;
    let (nora, earlier, reported) = with_reported(&app).await;
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    let seen = version(&operator, &owner).await;
    nora.report(&earlier, "other_person").await;
    let reason = ["--reason", "reported_by_mistake", "--version", &seen];
    let release = command("release", &owner, &reason);
    let purge = command("purge", &owner, &["--confirm", "--version", &seen]);
    for ended in [&release, &purge] {
        operator.types(ended).await.badly(&["run `show` again"]);
    }
    for id in [&earlier, &reported] {
        assert_hidden(&nora.record(id).await.body);
    }
    let unseen = command("purge", &owner, &["--confirm"]);
    assert_eq!(operator.types(&unseen).await.code, Some(2));
    assert_eq!(app.objects().await.len(), 2);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_person_is_refused_without_an_entry() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let operator = Operator::of(&app);
    for verb in ["show", "purge"] {
        let ended = operator.types(&command(verb, "v1.unknown", &[])).await;
        ended.badly(&["this person has no active quarantine"]);
    }
    assert!(app.scan().await.is_empty());
    app.end().await;
}
