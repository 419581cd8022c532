//! A report or a different record that comes while a transfer, a link or another write is in progress.

use sandbox_metriport::Operation;

use super::{JSON, assert_hidden, deliver_stranger, entries, until_form, with_pull};
use crate::consent::withdrawal::hold::Hold;
use crate::harness::{Person, TestApp, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_in_transfer_is_quarantined_when_it_arrives() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.answer_to(Operation::DownloadFile);
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

async fn reasons(nora: &Person) -> Vec<String> {
    let list = nora.records().await;
    let reasons = list.list("/quarantine/reasons").iter();
    reasons
        .filter_map(|reason| reason.as_str().map(str::to_owned))
        .collect()
}
