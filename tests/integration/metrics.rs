//! The functions' metrics, as CloudWatch reads them.

mod specification;
mod writes;

use std::collections::BTreeMap;

use sandbox_host::cloudwatch::Datum;
use sandbox_metriport::{Failure, Operation, Replay};
use serde_json::Value;
use shared::clock;
use shared::config::Env;
use shared::domain::{Time, Timing};
use shared::metrics::Metrics;
use shared::webhook::{SignatureError, UnverifiedWebhook};
use webhook_intake::keys::{KeyRing, VerifyKeys};

use crate::harness::{QUEUES, TestApp, until};

/// The sum of each counter, by name and detail.
fn counts(app: &TestApp) -> BTreeMap<String, f64> {
    let mut counts = BTreeMap::new();
    for datum in app.data().into_iter().filter(|datum| datum.unit == "Count") {
        let detail = datum.dimensions.into_iter().find(|(name, _)| name != "Stage");
        let code = detail.map_or_else(String::new, |(_, code)| format!(" {code}"));
        *counts.entry(datum.name + &code).or_default() += datum.value;
    }
    counts
}

fn expected<const N: usize>(counts: [(&str, f64); N]) -> BTreeMap<String, f64> {
    counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

/// The counts of one pull from one source, and of the steps before it.
const ONE_PULL: [(&str, f64); 10] = [
    ("PullsStarted", 1.0),
    ("PullsEnded", 1.0),
    ("PullsEnded completed", 1.0),
    ("RecordsEnded", 1.0),
    ("RecordsEnded available", 1.0),
    ("WebhooksAccepted", 4.0),
    ("WebhooksAccepted ping", 1.0),
    ("WebhooksAccepted identity", 1.0),
    ("WebhooksAccepted source", 1.0),
    ("WebhooksAccepted consolidated", 1.0),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_writes_its_metrics() {
    let begun = clock::now();
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    let record = nora.final_record(&pull).await;
    app.drain().await;
    app.until_metric("PullsEnded", &[], 1).await;
    app.until_metric("WebhookAge", &[], 3).await;

    assert_eq!(counts(&app), expected(ONE_PULL));
    assert_eq!(app.metric_values("RecordBytes", &[]), [record.number("/bytes") as f64]);
    // A search that finds no patient is not an error.
    for (operation, upstream) in [
        ("find-patient", Operation::FindPatient),
        ("create-patient", Operation::CreatePatient),
        ("open-identity-session", Operation::CreateIdentitySession),
        ("open-aal2-challenge", Operation::CreateChallenge),
        ("start-network-query", Operation::StartNetworkQuery),
        ("start-consolidated-query", Operation::StartConsolidatedQuery),
    ] {
        let latencies = app
            .until_metric("UpstreamLatency", &[("Operation", operation)], 1)
            .await;
        assert_eq!(
            latencies.len(),
            app.stand_in().stats().calls(upstream) as usize,
            "{operation}"
        );
    }
    assert_eq!(
        app.metric_values("DailyQuotaUsed", &[]),
        [0.0],
        "the first call of the day"
    );

    let took = begun.until(clock::now()).as_millis() as f64;
    let mut spans = app.metric_values("UpstreamLatency", &[]);
    spans.extend(app.metric_values("WebhookAge", &[]));
    assert!(
        spans.iter().all(|span| (0.0..=took).contains(span)),
        "{spans:?} in {took}"
    );
    let is_now = |datum: &Datum| datum.namespace == "IndividualAccess" && datum.at_ms >= begun.millis().unsigned_abs();
    assert!(app.data().iter().all(is_now));
    app.end().await;
}

fn queue_of(body: &str) -> &'static str {
    let body: Value = serde_json::from_str(body).expect("JSON");
    let has = |field: &str| body.get(field).is_some();
    match (has("eventType"), has("link"), has("erasure")) {
        (true, ..) => QUEUES[0],
        (false, false, false) => QUEUES[1],
        (false, true, _) => QUEUES[2],
        (false, false, true) => QUEUES[3],
    }
}

/// Every message arrives three times. Every webhook arrives four times: twice with our metadata, and twice without.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_message_is_not_counted_again() {
    let app = TestApp::start().await;
    app.slow_queues(1).await;
    let watch = app.watch_queues();
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    app.drain().await;

    app.slow_queues(0).await;
    let mut copies = Vec::new();
    for body in watch.bodies() {
        for _ in 0..2 {
            copies.push(app.send_message(queue_of(&body), &body).await);
        }
    }
    let mut webhooks = app.stand_in().deliveries();
    webhooks.retain(|delivery| delivery.event_type != "ping");
    assert!(copies.len() >= 10 && webhooks.len() == 3, "{copies:?} {webhooks:?}");
    for delivery in &webhooks {
        for strip_meta_data in [false, true, true] {
            let replay = Replay { strip_meta_data };
            let again = app.stand_in().deliver_again(&delivery.message_id, replay).await;
            assert_eq!(again, Ok(200));
        }
    }
    // A process writes its lines in order, so a message's metrics precede its `message done`.
    until("all replayed webhooks are processed", async || {
        let log = app.log();
        let is_processed = |id: &String| {
            log.iter()
                .any(|line| line.contains("message done") && line.contains(id))
        };
        let duplicates = log.iter().filter(|line| line.contains(r#""outcome":"duplicate""#));
        (copies.iter().all(is_processed) && duplicates.count() == 2 * 3 + 3 * 3).then_some(())
    })
    .await;

    let mut again = expected(ONE_PULL);
    // Each delivery that got a 200 counts, so that the metric can be compared with Metriport's own count.
    for (kind, more) in [("", 9.0), (" identity", 3.0), (" source", 3.0), (" consolidated", 3.0)] {
        *again.entry(format!("WebhooksAccepted{kind}")).or_default() += more;
    }
    assert_eq!(counts(&app), again);
    assert_eq!(app.metric_values("RecordBytes", &[]).len(), 1);
    // A webhook without our metadata has no age, because its time is that of the first attempt.
    assert_eq!(app.metric_values("WebhookAge", &[]).len(), 3 + 3);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failures_are_counted_by_code() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let zeros = "0".repeat(64);
    for signature in [None, Some("0"), Some(&*zeros)] {
        let forged = r#"{"meta":{"type":"network-query.hie"}}"#;
        assert_eq!(app.stand_in().send_raw(forged, signature).await, Ok(401));
    }
    // The webhook is signed and has a handled type, but its content is missing.
    let empty = serde_json::json!({ "meta": { "messageId": "m-1", "type": "medical.consolidated-data" } });
    assert_eq!(app.send_signed(&empty).await, 200);
    app.send_message(QUEUES[1], "{").await;
    app.stand_in().fail_next(
        Operation::StartNetworkQuery,
        Failure::envelope(400, "Bad Request", "no such source"),
    );
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "failed", "{:?}", pull.body);

    for (name, dimension, code) in [
        ("WebhooksRefused", "Reason", "missing"),
        ("WebhooksRefused", "Reason", "malformed"),
        ("WebhooksRefused", "Reason", "mismatch"),
        ("WebhooksAccepted", "Event", "unreadable"),
        ("DeadLetters", "Reason", "malformed"),
        ("UpstreamErrors", "Kind", "bad-request"),
        ("PullsEnded", "State", "failed"),
    ] {
        let values = app.until_metric(name, &[(dimension, code)], 1).await;
        assert_eq!(values, [1.0], "{name} {code}");
    }
    assert_eq!(app.metric_values("WebhooksRefused", &[]), [1.0; 3]);
    app.stop().await;
}

/// The function reads the keys again at most every 30 seconds. The test passes the time as an argument, so it does not
/// wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn outcome_of_rereading_the_webhook_keys_is_counted() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let outcomes = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let sink = std::sync::Arc::clone(&outcomes);
    let metrics = Metrics::to("test", move |line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        sink.lock().unwrap().push(line["Outcome"].clone());
    });
    let env = Env::from_pairs([("WEBHOOK_KEYS_SECRET", "ias-WebhookKeysSecret")]);
    let start = clock::now();
    let keys = KeyRing::load(app.aws().secrets(), env, Timing::default(), start)
        .await
        .expect("keys");
    let keys = keys.with_metrics(metrics);
    let body = br#"{"meta":{}}"#.as_slice();
    let after = |secs: u64| start.plus(std::time::Duration::from_secs(secs));
    let verify = async |signature: &str, now: Time| {
        let signature = Some(signature);
        keys.verify(UnverifiedWebhook { body, signature }, now).await.map(drop)
    };

    let new_key = app.stand_in().rotate_webhook_key();
    let signature = app.stand_in().sign(body);
    assert_eq!(verify(&signature, after(31)).await, Err(SignatureError::Mismatch));
    assert_eq!(verify(&signature, after(32)).await, Err(SignatureError::Mismatch));
    assert_eq!(*outcomes.lock().unwrap(), ["unmatched"], "not read twice in a second");
    app.store_webhook_keys(&serde_json::json!({ "current": new_key })).await;
    assert_eq!(verify(&signature, after(62)).await, Ok(()));
    app.store_webhook_keys(&serde_json::json!({ "current": "" })).await;
    let other = app.stand_in().sign(b"something else");
    assert_eq!(verify(&other, after(93)).await, Err(SignatureError::Mismatch));
    assert_eq!(*outcomes.lock().unwrap(), ["unmatched", "matched", "failed"]);
    // The keys that were read before stay in use.
    assert_eq!(verify(&signature, after(94)).await, Ok(()));
    app.stop().await;
}
