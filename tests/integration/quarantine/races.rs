//! A report or a different record that comes while a transfer, a link or another write is in progress.

use sandbox_machine::sandbox::AAL2_RETURN;
use sandbox_metriport::Operation;

use super::{JSON, assert_hidden, assert_refused, deliver_stranger, entries, until_form, with_pull};
use crate::consent::withdrawal::hold::Hold;
use crate::harness::{Person, TestApp, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_in_transfer_is_quarantined_when_it_arrives() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.call_of("record-fetch", "PutObject");
    let pull = nora.start_from(&["lab"]).await;
    hold.until_held().await;
    let record = nora.until_final_record(&pull).await;
    assert_eq!(nora.record(&record).await.text("/status"), "fetching");
    nora.report(&record, "other_person").await;
    hold.release();
    assert_hidden(&nora.until_record(&record).await.body);
    nora.until_ended(&pull).await;
    assert_eq!(entries(&app, "record_stored").await.len(), 1);
    app.end().await;
}

/// The report is written after the read of the record, and before the entry of its link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_is_not_made_if_a_report_comes_first() {
    let (hold, app) = Hold::start().await;
    let (nora, record) = with_pull(&app, "nora").await;
    hold.call_of("record-read", "TransactWriteItems");
    let (answer, ()) = tokio::join!(nora.record(&record), async {
        hold.until_held().await;
        nora.report(&record, "other_person").await;
        hold.release();
    });
    assert_hidden(&answer.body);
    assert!(entries(&app, "link_minted").await.is_empty());
    app.end().await;
}

/// A PDF is requested, and a different record arrives between the read of the PDF and the entry of its link.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pdf_link_is_not_made_if_a_different_record_comes_first() {
    let (hold, app) = Hold::start().await;
    let (nora, _) = with_pull(&app, "nora").await;
    let pdf = until_form(&nora, "pdf").await;
    let minted = entries(&app, "link_minted").await.len();
    deliver_stranger(&app);
    hold.call_of("record-fetch", "PutObject");
    let different = nora.ask_record(&JSON()).await;
    hold.until_held().await;
    hold.call_of("record-read", "TransactWriteItems");
    let (answer, ()) = tokio::join!(nora.record(&pdf), async {
        hold.until_held().await;
        // The call of `record-fetch` was held first, so it goes on first.
        hold.release();
        until_quarantined(&app).await;
        hold.release();
    });
    assert_hidden(&answer.body);
    assert_hidden(&nora.until_record(&different).await.body);
    assert_eq!(entries(&app, "link_minted").await.len(), minted);
    app.end().await;
}

async fn until_quarantined(app: &TestApp) {
    until("the different record is stored", async || {
        (!entries(app, "quarantined").await.is_empty()).then_some(())
    })
    .await;
}

/// The report changes the root between the read and the write of `record-fetch`, which must read it again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_record_is_stored_after_a_report_in_between() {
    let (hold, app) = Hold::start().await;
    let (nora, record) = with_pull(&app, "nora").await;
    deliver_stranger(&app);
    hold.call_of("record-fetch", "PutObject");
    let different = nora.ask_record(&JSON()).await;
    hold.until_held().await;
    hold.call_of("record-fetch", "TransactWriteItems");
    hold.release();
    hold.until_held().await;
    nora.report(&record, "mixed_persons").await;
    hold.release();
    assert_hidden(&nora.until_record(&different).await.body);
    assert_eq!(reasons(&nora).await, ["different_patient_id", "mixed_persons"]);
    assert_eq!(entries(&app, "quarantined").await.len(), 2);
    app.end().await;
}

/// The list reads the root, then a different record is stored, then it reads the records.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_hides_a_record_that_is_stored_between_its_reads() {
    let (hold, app) = Hold::start().await;
    let (nora, _) = with_pull(&app, "nora").await;
    deliver_stranger(&app);
    hold.call_of("record-fetch", "PutObject");
    let different = nora.ask_record(&JSON()).await;
    hold.until_held().await;
    // The read of the person and that of the records run at the same time. The one that comes second is held.
    hold.second_call_of("record-read", "Query");
    let (list, ()) = tokio::join!(nora.records(), async {
        hold.until_held().await;
        // The call of `record-fetch` was held first, so it goes on first.
        hold.release();
        until_quarantined(&app).await;
        hold.release();
    });
    let line = list.list("/records").iter().find(|record| record["id"] == *different);
    let line = line.expect("a line");
    // If the records were read first, the record is still being fetched.
    if line["status"] != "fetching" {
        assert_hidden(line);
    }
    assert_eq!(list.text("/quarantine/status"), "quarantined");
    app.end().await;
}

/// The report comes after the checks of the gate, and before the write or call that the gate guards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_begins_if_a_report_comes_after_the_gate() {
    let (hold, app) = Hold::start().await;
    for (person, function, operation) in [
        ("nora", "aal2-challenge", "UpdateItem"),
        ("omar", "network-query", "TransactWriteItems"),
        ("sara", "record-read", "TransactWriteItems"),
    ] {
        let (nora, record) = with_pull(&app, person).await;
        let passed = nora.pass_challenge().await;
        let challenges = app.upstream(Operation::CreateChallenge);
        hold.call_of(function, operation);
        let ask = async {
            match function {
                "aal2-challenge" => nora.app.open_challenge(AAL2_RETURN).await,
                "network-query" => nora.app.start_query(&passed.ask()).await,
                _ => nora.app.ask_record(&JSON()).await,
            }
        };
        let (answer, ()) = tokio::join!(ask, async {
            hold.until_held().await;
            nora.report(&record, "other_person").await;
            hold.release();
        });
        assert_refused(&answer.unwrap());
        assert_eq!(app.upstream(Operation::CreateChallenge), challenges);
        assert_eq!(nora.records().await.list("/records").len(), 1);
        let pulls = nora.app.get("/v1/network-queries").await.unwrap();
        assert_eq!(pulls.list("/networkQueries").len(), 1);
    }
    app.end().await;
}

/// The withdrawal ends the record, but the other person's object is in the bucket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_record_is_quarantined_after_a_withdrawal_in_between() {
    let (hold, app) = Hold::start().await;
    let (nora, _) = with_pull(&app, "nora").await;
    let stored = app.objects().await.len();
    deliver_stranger(&app);
    hold.call_of("record-fetch", "PutObject");
    let different = nora.ask_record(&JSON()).await;
    hold.withdraw_meanwhile(&nora).await;
    until_quarantined(&app).await;
    app.drain().await;
    assert_eq!(app.objects().await.len(), stored + 1);
    let logged = entries(&app, "quarantined").await;
    assert_eq!((logged.len(), &logged[0]["record"]), (1, &different.clone().into()));
    nora.give_consent().await;
    assert_eq!(nora.records().await.text("/quarantine/status"), "quarantined");
    assert_eq!(nora.record(&different).await.text("/status"), "failed");
    app.end().await;
}

async fn reasons(nora: &Person) -> Vec<String> {
    let list = nora.records().await;
    let reasons = list.list("/quarantine/reasons").iter();
    reasons
        .filter_map(|reason| reason.as_str().map(str::to_owned))
        .collect()
}
