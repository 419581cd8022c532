//! Many webhooks at once.

use std::sync::Arc;

use sandbox_metriport::{Delays, Operation};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{Person, TestApp, until};
use crate::webhooks::source_event;

/// The number of webhooks that the test sends. It also passes with 10,000, which took two and a half minutes on two
/// busy cores.
const BURST: usize = 1_000;
/// Webhooks in flight at once.
const AT_ONCE: usize = 16;
/// Copies of each webhook about a pull of this test.
const REPEATS: usize = 5;
const SOURCES: [&str; 3] = ["hie", "pharmacy", "lab"];

/// A webhook that does not concern a person of this test.
fn irrelevant(index: usize) -> Value {
    let stranger = format!("0198a0d4-6c70-7d1a-9b02-{index:012x}");
    let message = format!("burst-{index}");
    match index % 3 {
        0 => json!({ "meta": { "messageId": message, "type": "patient.admit" }, "payload": { "patientId": stranger } }),
        1 => source_event(&stranger, &stranger, &message, "hie"),
        _ => json!({ "meta": { "messageId": message, "type": "medical.consolidated-data" }, "patients": [] }),
    }
}

/// The number of events that are not processed yet; `None` if all are processed.
fn waiting(app: &TestApp) -> Option<usize> {
    let depths = app.sandbox().aws().queues().depths();
    let depth = depths.get("ias-WebhookEventsQueue")?;
    Some(depth.visible + depth.in_flight).filter(|left| *left > 0)
}

/// Starts a pull; returns its id, and the id of its network query.
async fn started(app: &TestApp, person: &Person) -> (String, String) {
    let id = person.start().await;
    let request = until("the query runs", async || {
        let pull = person.read_pull(&id).await;
        (pull.text("/status") == "running").then_some(())?;
        let table = app.table().await;
        let of_the_pull = |item: &&Value| item["sk"] == "RUN" && item.to_string().contains(&id);
        let row = table.iter().find(of_the_pull)?;
        Some(row["pk"].as_str()?.trim_start_matches("REQUEST#").to_owned())
    });
    let request = request.await;
    (id, request)
}

/// Starts a sandbox whose networks do not report during the test, neither by webhooks nor to polls.
async fn start_with_silent_networks() -> TestApp {
    let an_hour = 3_600_000;
    TestApp::with(|options| {
        options.stand_in.delays = Delays {
            hie_ms: an_hour,
            pharmacy_ms: an_hour,
            lab_ms: an_hour,
            ..Delays::all(60)
        };
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_of_webhooks_is_accepted_and_each_counts_once() {
    let app = Arc::new(start_with_silent_networks().await);
    let persons = [
        ("nora", app.person("nora", "Jane").await),
        ("omar", app.person("omar", "Jane").await),
    ];
    let (mut bodies, mut pulls) = (Vec::new(), Vec::new());
    for (subject, person) in &persons {
        person.verify_identity().await;
        let (id, request) = started(&app, person).await;
        bodies.extend(reports(&app, subject, &request).await);
        pulls.push((id, person));
    }
    bodies.extend((bodies.len()..BURST).map(irrelevant));
    send_mixed(&app, &bodies).await;
    until_worked_off(&app).await;
    for (id, person) in &pulls {
        assert_eq!(person.until_ended(id).await.text("/status"), "completed");
        let codes = person.codes(id).await;
        let reported = codes.iter().filter(|code| *code == "source_reported").count();
        assert_eq!(reported, SOURCES.len(), "{codes:?}");
    }
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 2);
    assert!(app.overlapped("webhook-intake") && app.overlapped("webhook-process"));
    drop(persons);
    Arc::into_inner(app).expect("the last reference").end().await;
}

/// The webhooks of every source of a pull, each [`REPEATS`] times.
async fn reports(app: &TestApp, subject: &str, request: &str) -> Vec<Value> {
    let patient = app.patient_of(subject).await;
    let report = |source: &str| source_event(&patient, request, &format!("{subject}-{source}"), source);
    SOURCES
        .into_iter()
        .flat_map(|source| vec![report(source); REPEATS])
        .collect()
}

/// Sends all bodies, [`AT_ONCE`] at a time. The index advances by a prime that does not divide their number, which
/// mixes them.
async fn send_mixed(app: &Arc<TestApp>, bodies: &[Value]) {
    let mut mixed = (0..BURST).map(|index| bodies[index * 7_919 % BURST].clone());
    let mut sending = JoinSet::new();
    let send = |sending: &mut JoinSet<u16>, body: Value| {
        let app = Arc::clone(app);
        sending.spawn(async move { app.send_signed(&body).await });
    };
    mixed.by_ref().take(AT_ONCE).for_each(|body| send(&mut sending, body));
    let mut answered = 0;
    while let Some(status) = sending.join_next().await {
        assert_eq!(status.expect("an answer"), 200);
        answered += 1;
        if let Some(body) = mixed.next() {
            send(&mut sending, body);
        }
    }
    assert_eq!(answered, BURST);
}

/// Waits until all events are processed. Fails if their number does not decrease within the bound of a wait.
async fn until_worked_off(app: &TestApp) {
    while let Some(left) = waiting(app) {
        until("fewer are left", async || {
            (waiting(app).unwrap_or_default() < left).then_some(())
        })
        .await;
    }
    app.drain().await;
}
