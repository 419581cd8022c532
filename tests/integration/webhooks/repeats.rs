//! Webhooks that arrive late, twice, reordered, replayed, or before the answer to our own call.

use sandbox_metriport::{Failure, Operation, Replay};
use shared::metriport::WebhookReplay;

use super::{calls, source};
use crate::harness::{Person, TestApp, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_reordered_and_duplicate_webhooks_have_one_effect() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let mut sources = app.until_held("network-query.", 3).await;
    sources.sort_by_key(|held| held.event_type == "network-query.hie");
    for held in &sources {
        app.deliver(held).await;
        assert_eq!(
            app.stand_in().deliver_again(&held.message_id, Replay::default()).await,
            Ok(200)
        );
    }
    let record = app.until_held("medical.consolidated-data", 1).await.remove(0);
    app.deliver(&record).await;
    let pull = nora.until_ended(&id).await;
    assert_eq!(pull.text("/status"), "completed");

    let codes = nora.codes(&id).await;
    assert_eq!(
        codes.iter().filter(|code| *code == "source_reported").count(),
        3,
        "{codes:?}"
    );
    let before = (pull, nora.timeline(&id).await.body, nora.records().await.body);
    for held in sources.iter().chain([&record]) {
        for strip_meta_data in [false, true] {
            let replay = Replay { strip_meta_data };
            assert_eq!(app.stand_in().deliver_again(&held.message_id, replay).await, Ok(200));
        }
    }
    app.drain().await;
    let after = (
        nora.read_pull(&id).await.body,
        nora.timeline(&id).await.body,
        nora.records().await.body,
    );
    assert_eq!(after, (before.0.body, before.1, before.2));
    assert_eq!(after.2["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);
    assert_eq!(calls(&app, Operation::StartConsolidatedQuery), 1);
    assert_eq!(calls(&app, Operation::DownloadFile), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_webhooks_are_replayed_without_our_metadata() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    app.stand_in().hold_webhooks();
    replay_lost_identity_event(&app, &nora).await;
    let id = nora.start_from(&["pharmacy", "lab"]).await;
    let record = replay_lost_source_events(&app, &nora, &id).await;
    replay_lost_delivery(&app, &nora, &record).await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");

    let looks = [(Operation::ReadNetworkQuery, 0), (Operation::StartConsolidatedQuery, 1)];
    for (look, count) in looks {
        assert_eq!(
            calls(&app, look),
            count,
            "it was not the replay that brought the pull on"
        );
    }
    let log = app.stand_in().deliveries();
    let replayed = log
        .iter()
        .filter(|delivery| delivery.replayed && delivery.status == Some(200))
        .count();
    assert!(replayed == 4, "{log:?}");
    app.end().await;
}

/// Drops held webhooks on their way; Metriport counts them as failed.
async fn lose_webhooks(app: &TestApp, kind: &str, count: usize) {
    let held = app.until_held(kind, count).await;
    let lost: Vec<usize> = held.iter().map(|held| held.index).collect();
    app.stand_in().drop_held(&lost);
    let metriport = app.sandbox().metriport_client().unwrap();
    let status = metriport.webhook_status().await.unwrap().unwrap();
    assert_eq!(status.failed, count as u64);
}

async fn ask_for_replay(app: &TestApp) {
    let metriport = app.sandbox().metriport_client().unwrap();
    metriport.retry_webhooks().await.unwrap();
}

async fn replay_lost_identity_event(app: &TestApp, nora: &Person) {
    nora.pass_identity_page().await;
    lose_webhooks(app, "ias.identity.verified", 1).await;
    assert_eq!(nora.identity().await, "pending");
    ask_for_replay(app).await;
    nora.until_identity("verified").await;
}

/// Returns the record that the pull asks for after its sources have reported.
async fn replay_lost_source_events(app: &TestApp, nora: &Person, id: &str) -> String {
    lose_webhooks(app, "network-query.", 2).await;
    until("the query runs", async || {
        (nora.read_pull(id).await.text("/status") == "running").then_some(())
    })
    .await;
    assert_eq!(source(nora, id, "lab").await, "processing");
    ask_for_replay(app).await;
    nora.until_final_record(id).await
}

async fn replay_lost_delivery(app: &TestApp, nora: &Person, record: &str) {
    lose_webhooks(app, "medical.consolidated-data", 1).await;
    until("the consolidated query runs", async || {
        (nora.record(record).await.text("/status") == "processing").then_some(())
    })
    .await;
    ask_for_replay(app).await;
}

/// A webhook can arrive before `query-dispatch` has written Metriport's answer to the start. Then our metadata in the
/// webhook leads to the pull.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_before_the_answer_is_matched_by_our_metadata() {
    let app = TestApp::with(|options| options.stand_in.delays = sandbox_metriport::Delays::all(0)).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let unanswered = |operation: Operation| {
        let calls = app.stand_in().calls();
        calls
            .iter()
            .any(|call| call.route == operation.route() && call.method == "POST" && call.status.is_none())
    };
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, Failure::HangFor(3000));
    app.stand_in()
        .fail_next(Operation::StartConsolidatedQuery, Failure::HangFor(3000));
    let id = nora.start_from(&["lab"]).await;
    until("the source has reported", async || {
        (source(&nora, &id, "lab").await == "completed").then_some(())
    })
    .await;
    assert!(
        unanswered(Operation::StartNetworkQuery),
        "the start was answered before its webhook"
    );
    let record = nora.until_final_record(&id).await;
    let record = nora.until_record(&record).await;
    assert_eq!(record.text("/status"), "available");
    assert!(
        unanswered(Operation::StartConsolidatedQuery),
        "the query was answered before its webhook"
    );
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    until("the answers have come", async || {
        let open = unanswered(Operation::StartNetworkQuery) || unanswered(Operation::StartConsolidatedQuery);
        (!open).then_some(())
    })
    .await;
    app.drain().await;
    assert_eq!(nora.read_pull(&id).await.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);

    // Two more pulls run without injected delays.
    for _ in 0..2 {
        let id = nora.start_from(&["lab"]).await;
        assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    }
    app.end().await;
}
