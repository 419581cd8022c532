//! Which calls each step of one calm pull makes, to AWS and to Metriport, and how many: one more is a failing test.
//!
//! Secrets are left out: they are read when a process starts, not in a step. So are the calls by which the host, as
//! Lambda does, takes messages from the queues.

mod recorder;

use std::sync::Arc;

use ias::sandbox::AAL2_RETURN;
use sandbox_aws::{Interceptor, MessageInfo, Passage};
use sandbox_metriport::{HeldDelivery, PerMinute};

use crate::harness::TestApp;
use recorder::Recorder;

/// What is expected; a failing test prints what differs.
const EXPECTED: &str = include_str!("round_trips/expected.txt");

/// Of so many places of the rate budget, two calls hardly draw the same one; the second would have to draw again.
const PLACES: u32 = 100_000;
/// Longer than a test lasts.
const AFTER_ALL_MS: u64 = 3_600_000;

/// Messages with a delay are for looks that a calm pull does not need. However slowly the test runs, they come after
/// it.
struct NoLooks;

#[async_trait::async_trait]
impl Interceptor for NoLooks {
    fn message(&self, message: &MessageInfo) -> Passage {
        Passage {
            late_ms: message.delay_secs.map_or(0, |_| AFTER_ALL_MS),
            ..Passage::default()
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_step_of_a_pull_makes_the_calls_it_needs_and_no_more() {
    let recorder = Recorder::default();
    let app = TestApp::with(|options| {
        options.observer = Some(recorder.observer());
        options.faults.aws = Some(Arc::new(NoLooks));
        options.stand_in.limits = PerMinute {
            identity: PLACES,
            ..PerMinute::default()
        };
    })
    .await;
    let nora = app.person("nora", "Jane");
    app.stand_in().hold_webhooks();
    let mut steps = recorder.steps(&app);

    steps
        .step("PUT /v1/patient, the first", async || {
            assert_eq!(nora.link().await.status, 200)
        })
        .await;
    steps
        .step("PUT /v1/patient, unchanged", async || {
            assert_eq!(nora.link().await.status, 200)
        })
        .await;
    steps
        .step("POST /v1/identity-sessions", async || nora.pass_identity_page().await)
        .await;
    let proofed = app.until_held("ias.identity.verified", 1).await;
    steps
        .step("ias.identity.verified", async || release(&app, &proofed).await)
        .await;
    steps
        .step("GET /v1/identity", async || {
            assert_eq!(nora.identity().await, "verified")
        })
        .await;
    steps
        .step("POST /v1/aal2-challenges", async || {
            assert_eq!(nora.app.open_challenge(AAL2_RETURN).await.unwrap().status, 201);
        })
        .await;
    let (passed, keyed) = (nora.pass_challenge().await, nora.app.with_key("once"));
    app.drain().await;
    steps
        .step("POST /v1/network-queries with a key, and the start", async || {
            assert_eq!(keyed.start_query(&passed.ask()).await.unwrap().status, 202);
        })
        .await;
    steps
        .step("the same again", async || {
            assert_eq!(keyed.start_query(&passed.ask()).await.unwrap().status, 202);
        })
        .await;
    let run = nora
        .app
        .get("/v1/network-queries")
        .await
        .unwrap()
        .list("/networkQueries")[0]["id"]
        .clone();
    let run = run.as_str().expect("the run").to_owned();
    let reported = app.until_held("network-query.", 3).await;
    for source in ["pharmacy", "lab", "hie"] {
        let kind = format!("network-query.{source}");
        let one = reported
            .iter()
            .filter(|held| held.event_type == kind)
            .cloned()
            .collect::<Vec<_>>();
        let last = if source == "hie" { ", the last source" } else { "" };
        steps
            .step(&format!("{kind}{last}"), async || release(&app, &one).await)
            .await;
    }
    let delivered = app.until_held("medical.consolidated-data", 1).await;
    steps
        .step("medical.consolidated-data", async || release(&app, &delivered).await)
        .await;
    steps
        .step("GET /v1/network-queries/{id}", async || {
            assert_eq!(nora.run(&run).await.text("/status"), "completed");
        })
        .await;
    let record = nora.until_final_record(&run).await;
    steps
        .step("GET /v1/records/{id}", async || {
            assert_eq!(nora.record(&record).await.text("/status"), "available");
        })
        .await;
    steps
        .step("reconcile, when deliveries are looked at", async || {
            app.reconcile().await
        })
        .await;
    steps.step("reconcile, otherwise", async || app.reconcile().await).await;
    steps.compare(EXPECTED);
    app.end().await;
}

async fn release(app: &TestApp, held: &[HeldDelivery]) {
    let order: Vec<usize> = held.iter().map(|delivery| delivery.index).collect();
    assert_eq!(app.stand_in().release(&order).await, [Ok(200)]);
}
