//! `reconcile` recovers failed deliveries, and work whose message is lost.

use sandbox_metriport::{Failure, Operation};

use crate::harness::{TestApp, until};

const ADVANCE: &str = "ias-RunAdvanceQueue";

/// Metriport has no call that reads an identity, so a lost identity event arrives only by a replay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_delivery_is_found_and_replayed() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.link().await;
    app.stand_in().hold_webhooks();
    nora.pass_identity_page().await;
    until("the event is on its way", async || {
        (!app.stand_in().held().is_empty()).then_some(())
    })
    .await;
    app.stand_in().drop_held(&[0]);
    app.drain().await;
    assert_eq!(nora.identity().await, "pending");

    app.reconcile().await;
    nora.until_identity("verified").await;
    // `reconcile` asks Metriport once, and pauses before it asks again, because the day's quota is for pulls.
    let status_calls = || app.stand_in().stats().calls(Operation::WebhookStatus);
    assert_eq!(
        (status_calls(), app.stand_in().stats().calls(Operation::RetryWebhooks)),
        (1, 1)
    );
    app.reconcile().await;
    assert_eq!(status_calls(), 1);
    assert_eq!(app.until_metric("ReplaysRequested", &[], 1).await, [1.0]);
    assert_eq!(app.metric_values("FailedDeliveries", &[]), [1.0]);
    assert_eq!(app.metric_values("ReplaysStalled", &[]), [0.0]);
    assert!(app.metric_values("OverdueItems", &[]).is_empty());
    app.end().await;
}

/// The message that would retry the start is lost, but its due time is stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_with_a_lost_message_is_sent_again() {
    let app = TestApp::with(|options| options.time_scale = 15).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let busy = Failure::Status {
        code: 429,
        body: "Too many requests".into(),
        content_type: "text/html".into(),
    };
    app.stand_in().fail_next(Operation::StartNetworkQuery, busy);
    let pull = nora.start().await;
    until("the start is put off", async || {
        (app.delayed(ADVANCE) > 0).then_some(())
    })
    .await;
    app.purge(ADVANCE).await;
    let ended = until("the pull has ended", async || {
        app.reconcile().await;
        let pull = nora.read_pull(&pull).await;
        (pull.text("/next/action") != "wait").then_some(pull)
    })
    .await;
    assert_eq!(ended.text("/status"), "completed", "{:?}", ended.body);
    assert_eq!(app.stand_in().stats().calls(Operation::StartNetworkQuery), 2);
    let found = app.until_metric("OverdueItems", &[], 1).await;
    let ages = app.metric_values("OverdueAge", &[]);
    // `reconcile` leaves work to its own message until the work is 30 s late, which is 2 s at this time scale.
    assert!(
        found.len() == ages.len() && ages.iter().all(|age| *age >= 2000.0),
        "{found:?} {ages:?}"
    );
    app.end().await;
}
