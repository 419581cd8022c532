//! The calls that each step of an undisturbed pull makes, to AWS and to Metriport. A single additional call fails the
//! test.
//!
//! Reads of secrets are not counted, because a process makes them when it starts, and not in a step. The host's
//! receives from queues, which Lambda makes in AWS, are not counted either.

mod recorder;

use std::sync::Arc;

use sandbox_aws::{Interceptor, MessageInfo, Passage};
use sandbox_machine::sandbox::AAL2_RETURN;
use sandbox_metriport::{HeldDelivery, PerMinute};

use crate::harness::{Passed, Person, TestApp};
use recorder::{Recorder, Steps};

/// The expected calls. A failing test prints the differences.
const EXPECTED: &str = include_str!("round_trips/expected.txt");

/// The places of the rate budget. With so many, two calls hardly draw the same place; the second call would have to
/// draw again.
const PLACES: u32 = 100_000;
/// Longer than the test runs.
const AFTER_ALL_MS: u64 = 3_600_000;

/// Holds delayed messages back until after the test, because they lead to checks that an undisturbed pull does not
/// need.
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
async fn each_step_of_a_pull_makes_only_the_expected_calls() {
    let recorder = Recorder::default();
    let app = start_recorded(&recorder).await;
    let nora = app.person("nora", "Jane").await;
    app.stand_in().hold_webhooks();
    let mut steps = recorder.steps(&app);
    link_twice(&mut steps, &nora).await;
    verify_identity(&mut steps, &app, &nora).await;
    let passed = open_challenges(&mut steps, &app, &nora).await;
    start_twice_with_one_key(&mut steps, &nora, &passed).await;
    let pull = only_pull(&nora).await;
    report_each_source(&mut steps, &app).await;
    deliver_record(&mut steps, &app).await;
    read_pull_and_record(&mut steps, &nora, &pull).await;
    reconcile_twice(&mut steps, &app).await;
    steps.compare(EXPECTED);
    app.end().await;
}

/// A sandbox whose calls `recorder` sees. Delayed messages never arrive, and two calls hardly draw the same place.
async fn start_recorded(recorder: &Recorder) -> TestApp {
    TestApp::with(|options| {
        options.observer = Some(recorder.observer());
        options.faults.aws = Some(Arc::new(NoLooks));
        options.stand_in.limits = PerMinute {
            identity: PLACES,
            ..PerMinute::default()
        };
    })
    .await
}

async fn link_twice(steps: &mut Steps<'_>, nora: &Person) {
    for name in ["PUT /v1/patient, the first", "PUT /v1/patient, unchanged"] {
        steps
            .step(name, async || assert_eq!(nora.link().await.status, 200))
            .await;
    }
}

async fn verify_identity(steps: &mut Steps<'_>, app: &TestApp, nora: &Person) {
    steps
        .step("POST /v1/identity-sessions", async || nora.pass_identity_page().await)
        .await;
    let proofed = app.until_held("ias.identity.verified", 1).await;
    steps
        .step("ias.identity.verified", async || release(app, &proofed).await)
        .await;
    steps
        .step("GET /v1/identity", async || {
            assert_eq!(nora.identity().await, "verified")
        })
        .await;
}

/// The recorded step only opens a challenge; the challenge that the person passes is not recorded.
async fn open_challenges(steps: &mut Steps<'_>, app: &TestApp, nora: &Person) -> Passed {
    steps
        .step("POST /v1/aal2-challenges", async || {
            assert_eq!(nora.app.open_challenge(AAL2_RETURN).await.unwrap().status, 201);
        })
        .await;
    let passed = nora.pass_challenge().await;
    app.drain().await;
    passed
}

async fn start_twice_with_one_key(steps: &mut Steps<'_>, nora: &Person, passed: &Passed) {
    let keyed = nora.app.with_key("once");
    for name in ["POST /v1/network-queries with a key, and the start", "the same again"] {
        steps
            .step(name, async || {
                assert_eq!(keyed.start_query(&passed.ask()).await.unwrap().status, 202);
            })
            .await;
    }
}

/// The id of the only pull. It comes from the list of pulls, because the step that started the pull does not return the
/// id.
async fn only_pull(nora: &Person) -> String {
    let pulls = nora.app.get("/v1/network-queries").await.unwrap();
    let pull = &pulls.list("/networkQueries")[0]["id"];
    pull.as_str().expect("the pull").to_owned()
}

async fn report_each_source(steps: &mut Steps<'_>, app: &TestApp) {
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
            .step(&format!("{kind}{last}"), async || release(app, &one).await)
            .await;
    }
}

async fn deliver_record(steps: &mut Steps<'_>, app: &TestApp) {
    let delivered = app.until_held("medical.consolidated-data", 1).await;
    steps
        .step("medical.consolidated-data", async || release(app, &delivered).await)
        .await;
}

async fn read_pull_and_record(steps: &mut Steps<'_>, nora: &Person, pull: &str) {
    steps
        .step("GET /v1/network-queries/{id}", async || {
            assert_eq!(nora.read_pull(pull).await.text("/status"), "completed");
        })
        .await;
    let record = nora.until_final_record(pull).await;
    steps
        .step("GET /v1/records/{id}", async || {
            assert_eq!(nora.record(&record).await.text("/status"), "available");
        })
        .await;
    steps
        .step("GET /v1/records", async || assert_eq!(nora.records().await.status, 200))
        .await;
}

/// Only the first invocation compares the deliveries with Metriport's count.
async fn reconcile_twice(steps: &mut Steps<'_>, app: &TestApp) {
    for name in ["reconcile, when deliveries are looked at", "reconcile, otherwise"] {
        steps.step(name, async || app.reconcile().await).await;
    }
}

async fn release(app: &TestApp, held: &[HeldDelivery]) {
    let order: Vec<usize> = held.iter().map(|delivery| delivery.index).collect();
    assert_eq!(app.stand_in().release(&order).await, [Ok(200)]);
}
