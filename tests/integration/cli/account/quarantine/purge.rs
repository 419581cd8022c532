//! A purge deletes everything that a late delivery or a transfer could bring back.

use shared::clock;
use shared::config::Env;
use shared::domain::pull::PullEvent;
use shared::domain::{OwnerId, PullId, RecordId};
use shared::store::{PullWrite, ReadPull as _, Table, WritePull as _};

use super::{command, owner};
use crate::cli::account::Operator;
use crate::consent::withdrawal::hold::Hold;
use crate::harness::{TestApp, until};
use crate::quarantine::{JSON, deliver_stranger, entries, with_pull};

/// Ends the wait of a pull for its sources, as its deadline would.
async fn expire(app: &TestApp, owner: &str, pull: &str) {
    let (owner, pull) = (OwnerId::parse(owner).unwrap(), PullId::parse(pull).unwrap());
    let env = Env::from_pairs([("TABLE_NAME", "ias-Table"), ("ACCESS_LOG_RETENTION_DAYS", "2192")]);
    let table = Table::read(&app.aws().dynamodb(), &env).expect("a table");
    let table = table.with_log(&env, "query-dispatch", app.timing()).expect("a log");
    let (pull, now) = (table.pull(&owner, pull).await.unwrap().unwrap(), clock::now());
    let event = PullEvent::DeadlinePassed;
    let change = pull.apply(&event, now, app.timing(), RecordId::UNUSED).unwrap();
    let write = PullWrite {
        event: &event,
        change: &change,
        record: None,
        challenge: None,
        now,
    };
    table.write_pull(&owner, write).await.expect("an expired pull");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_delivery_brings_no_purged_record_back() {
    let app = TestApp::start().await;
    let (nora, record) = with_pull(&app, "nora").await;
    app.stand_in().hold_webhooks();
    let silent = nora.start_from(&["lab"]).await;
    let late = app.until_held("network-query.lab", 1).await.remove(0);
    until("the pull runs", async || {
        (nora.read_pull(&silent).await.text("/status") == "running").then_some(())
    })
    .await;
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    expire(&app, &owner, &silent).await;
    nora.report(&record, "other_person").await;
    let version = super::version(&operator, &owner).await;
    let purge = command("purge", &owner, &["--confirm", "--version", &version]);
    operator.types(&purge).await.well(&["purged owner=v1.", "records=1"]);
    assert_eq!(nora.read_pull(&silent).await.text("/status"), "failed");
    app.deliver(&late).await;
    app.drain().await;
    let codes = nora.codes(&silent).await;
    assert!(
        codes.ends_with(&["records_purged".to_owned(), "source_reported".to_owned()]),
        "{codes:?}"
    );
    assert!(nora.records().await.list("/records").is_empty());
    app.stand_in().release_all().await;
    app.end().await;
}

/// The object of a record that a withdrawal ended during its transfer. Nothing in the table names its key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_of_a_withdrawn_record_is_purged_after_its_transfer() {
    let (hold, app) = Hold::start().await;
    let (nora, _) = with_pull(&app, "nora").await;
    deliver_stranger(&app);
    hold.call_of("record-fetch", "PutObject");
    let different = nora.ask_record(&JSON()).await;
    hold.withdraw_meanwhile(&nora).await;
    until("the quarantine begins", async || {
        (!entries(&app, "quarantined").await.is_empty()).then_some(())
    })
    .await;
    app.drain().await;
    assert_eq!(app.objects().await.len(), 2);
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    let version = super::version(&operator, &owner).await;
    let purge = command("purge", &owner, &["--confirm", "--version", &version]);
    let reason = format!("a transfer of the record {different} may still run");
    operator.types(&purge).await.badly(&[&reason]);
    assert_eq!(app.objects().await.len(), 2);
    // With this scale, a transfer of 16 minutes has ended.
    let later = operator.types_with(&purge, &[("TIME_SCALE", "100000")], "").await;
    later.well(&["purged owner=v1.", "records=2"]);
    assert!(app.objects().await.is_empty());
    app.end().await;
}

/// S3 answers the deletion of an object that is not in the bucket like any other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn purge_in_a_wrong_bucket_deletes_nothing() {
    let app = TestApp::start().await;
    let (nora, record) = with_pull(&app, "nora").await;
    nora.report(&record, "other_person").await;
    let (operator, owner) = (Operator::of(&app), owner(&app).await);
    let version = super::version(&operator, &owner).await;
    let purge = command("purge", &owner, &["--confirm", "--version", &version]);
    let elsewhere = [&purge[..], &["--bucket", "ias-sealsbucket"]].concat();
    operator
        .types(&elsewhere)
        .await
        .badly(&["the bucket has no object of these records"]);
    assert!(entries(&app, "quarantine_purged").await.is_empty());
    assert_eq!(nora.record(&record).await.text("/status"), "quarantined");
    operator.types(&purge).await.well(&["purged owner=v1.", "records=1"]);
    assert!(app.objects().await.is_empty());
    app.end().await;
}
