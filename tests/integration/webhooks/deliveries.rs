//! Webhooks that deliver a record's link: wrong, expired or missed.

use std::time::Duration;

use sandbox_metriport::{HeldDelivery, Operation};
use serde_json::{Value, json};
use shared::metriport::WebhookReplay;
use tokio::net::TcpListener;

use super::{calls, delivery};
use crate::harness::{Person, TestApp, until};

/// A pull whose consolidated query has ended at Metriport. The stand-in holds all webhooks, including the delivery of
/// the record.
struct UndeliveredPull {
    id: String,
    held: HeldDelivery,
}

async fn pull_until_delivery(app: &TestApp, person: &Person) -> UndeliveredPull {
    person.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = person.start_from(&["lab"]).await;
    app.deliver(&app.until_held("network-query.", 1).await[0]).await;
    let held = app.until_held("medical.consolidated-data", 1).await.remove(0);
    UndeliveredPull { id, held }
}

/// Waits until the pull's consolidated query runs; returns the final record's id.
async fn until_processing(person: &Person, pull: &UndeliveredPull) -> String {
    let record = person.until_final_record(&pull.id).await;
    until("the query runs", async || {
        (person.record(&record).await.text("/status") == "processing").then_some(())
    })
    .await;
    record
}

/// A host that is not on the list of record hosts.
struct ForeignHost(TcpListener);

impl ForeignHost {
    async fn listen() -> Self {
        Self(TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    fn link(&self) -> String {
        format!("http://{}/record.json", self.0.local_addr().unwrap())
    }

    async fn assert_not_called(&self) {
        let followed = tokio::time::timeout(Duration::from_millis(1), self.0.accept()).await;
        assert!(followed.is_err(), "the link was followed");
    }
}

/// Variants of the right delivery. Each has one value that does not fit the pull's query.
fn wrong_deliveries(right: &Value, other_patient: &str) -> [Value; 9] {
    let with = |message: &str, pointer: &str, value: Value| {
        let mut body = right.clone();
        body["meta"]["messageId"] = json!(message);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    [
        with("wrong-1", "/patients/0/patientId", json!(other_patient)),
        with(
            "wrong-2",
            "/patients/0/bundle/entry/0/resource/subject/reference",
            json!(format!("Patient/{other_patient}")),
        ),
        with("wrong-3", "/patients/0/filters/resources", json!("Observation")),
        with("wrong-4", "/patients/0/filters/conversionType", json!("pdf")),
        with("wrong-5", "/patients/0/filters/dateFrom", json!("2020-01-01")),
        with(
            "wrong-6",
            "/meta/requestId",
            json!("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d"),
        ),
        with("wrong-7", "/patients/0/bundle/entry/0/resource/subject", json!(null)),
        with("wrong-8", "/patients/0/filters/dateTo", json!(true)),
        with("wrong-9", "/patients/0/status", json!("unheard-of")),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_for_another_query_is_ignored() {
    let app = TestApp::start().await;
    let foreign = ForeignHost::listen().await;
    let (nora, omar) = (app.person("nora", "Jane").await, app.person("omar", "Jane").await);
    omar.verify_identity().await;
    let pull = pull_until_delivery(&app, &nora).await;
    let record = until_processing(&nora, &pull).await;
    let (patient, other_patient) = (app.patient_of("nora").await, app.patient_of("omar").await);

    let right = delivery(&patient, &pull.held.request_id, "wrong", &foreign.link());
    for body in &wrong_deliveries(&right, &other_patient) {
        assert_eq!(app.send_signed(body).await, 200);
        app.drain().await;
        assert_eq!(nora.record(&record).await.text("/status"), "processing", "{body}");
    }
    app.deliver(&pull.held).await;
    assert_eq!(nora.until_ended(&pull.id).await.text("/status"), "completed");
    foreign.assert_not_called().await;
    app.stand_in().release_all().await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_to_an_unlisted_host_is_not_followed() {
    let app = TestApp::start().await;
    let foreign = ForeignHost::listen().await;
    let omar = app.person("omar", "Jane").await;
    let pull = pull_until_delivery(&app, &omar).await;
    let record = until_processing(&omar, &pull).await;
    let patient = app.patient_of("omar").await;

    let right_but_foreign = delivery(&patient, &pull.held.request_id, "foreign", &foreign.link());
    assert_eq!(app.send_signed(&right_but_foreign).await, 200);
    let record = omar.until_record(&record).await;
    assert_eq!(
        (record.text("/status"), record.text("/reason")),
        ("failed".into(), "link_refused".into())
    );
    assert_eq!(record.text("/next/action"), "request_record");
    let pull = omar.until_ended(&pull.id).await;
    assert_eq!(
        (pull.text("/status"), pull.text("/reason")),
        ("failed".into(), "record_unavailable".into())
    );
    foreign.assert_not_called().await;
    app.stand_in().release_all().await;
    app.end().await;
}

/// The queue delays the webhook until its link has expired: for three seconds, or more on a slow machine, because
/// `time_scale` divides the delay. `query-dispatch` looks for a missed delivery only after `Timing::delivery_wait`,
/// which is 45 seconds divided by `time_scale`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_with_an_expired_link_is_requested_again() {
    const TIME_SCALE: u32 = 8;
    let app = TestApp::with(|options| {
        options.time_scale = TIME_SCALE;
        options.stand_in.link_ttl_secs = 2;
        options.stand_in.rate_limits = false;
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    let pull = pull_until_delivery(&app, &nora).await;
    let queries = calls(&app, Operation::StartConsolidatedQuery);
    app.slow_queues(3 * TIME_SCALE).await;
    assert_eq!(app.stand_in().release(&[pull.held.index]).await, [Ok(200)]);
    // A message keeps the delay with which it was sent.
    app.slow_queues(0).await;
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&pull.id).await.text("/status"), "completed");
    let is_expired =
        |call: &sandbox_metriport::Call| call.route == Operation::DownloadFile.route() && call.status == Some(403);
    assert!(
        app.stand_in().calls().iter().any(is_expired),
        "the first link had not expired"
    );
    assert!(
        calls(&app, Operation::StartConsolidatedQuery) > queries,
        "the record was had without asking anew"
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_with_a_missed_delivery_is_requested_again() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in.link_ttl_secs = 2;
        options.stand_in.rate_limits = false;
    })
    .await;
    let omar = app.person("omar", "Jane").await;
    let UndeliveredPull { id, held: missed } = pull_until_delivery(&app, &omar).await;
    app.stand_in().drop_held(&[missed.index]);
    let queries = calls(&app, Operation::StartConsolidatedQuery);
    app.stand_in().release_all().await;
    let pull = omar.until_ended(&id).await;
    assert_eq!(pull.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartConsolidatedQuery), queries + 1);

    // Metriport replays the missed delivery with its expired link, too late to matter.
    let before = (pull.body, omar.records().await.body);
    replay_missed(&app, &missed).await;
    assert_eq!((omar.read_pull(&id).await.body, omar.records().await.body), before);
    app.end().await;
}

async fn replay_missed(app: &TestApp, missed: &HeldDelivery) {
    app.sandbox()
        .metriport_client()
        .unwrap()
        .retry_webhooks()
        .await
        .unwrap();
    until("the replay has come", async || {
        app.stand_in()
            .deliveries()
            .iter()
            .any(|sent| sent.message_id == missed.message_id)
            .then_some(())
    })
    .await;
    app.drain().await;
}
