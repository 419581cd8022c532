//! Webhooks that a plan loses, doubles, delays, or delivers without the sender's knowledge.

use std::sync::{Arc, Mutex};

use sandbox_metriport::{DeliveryDecision, DeliveryInfo, FaultPlan, StandInOptions};
use serde_json::{Value, json};

use crate::bench::{Bench, options};

const HIE: &str = "network-query.hie";

type Deliveries = Arc<Mutex<Vec<DeliveryInfo>>>;

/// Applies `decision` to the first delivery of the HIE source's event and delivers everything else.
async fn bench(decision: DeliveryDecision) -> (Bench, Deliveries) {
    let deliveries = Deliveries::default();
    let notes = deliveries.clone();
    let plan = move |delivery: &DeliveryInfo| {
        notes.lock().unwrap().push(delivery.clone());
        match (delivery.event_type.as_str(), delivery.attempt) {
            (HIE, 1) => decision,
            _ => DeliveryDecision::Deliver,
        }
    };
    let faults = FaultPlan {
        calls: None,
        webhooks: Some(Arc::new(plan)),
    };
    let bench = Bench::ready(StandInOptions { faults, ..options() }).await;
    let patient_id = bench.patient("Nora").await;
    bench.treatment(&patient_id, json!({ "runId": "run-1" })).await;
    (bench, deliveries)
}

/// The types of the next webhooks, sorted.
async fn types(bench: &mut Bench, count: usize) -> Vec<String> {
    let mut types = Vec::new();
    for _ in 0..count {
        types.push(bench.hook().await.event_type().to_owned());
    }
    types.sort();
    types
}

async fn failed(bench: &Bench) -> Value {
    bench.get_json("/settings/webhook").await["webhookRequestsFailed"].clone()
}

/// Waits until the log has the ping and this many deliveries.
async fn logged(bench: &Bench, count: usize) {
    bench
        .until(|bench| bench.stand_in.deliveries().len() == count + 1)
        .await;
}

#[tokio::test]
async fn lost_webhook_counts_as_failed_until_its_replay() {
    let (mut bench, deliveries) = bench(DeliveryDecision::Drop).await;
    assert_eq!(
        types(&mut bench, 2).await,
        ["network-query.lab", "network-query.pharmacy"]
    );
    logged(&bench, 3).await;
    assert!(!bench.has_hook());
    assert_eq!(failed(&bench).await, 1);
    bench.post("/settings/webhook/retry", &json!({})).await;
    assert_eq!(bench.hook().await.event_type(), HIE);
    logged(&bench, 4).await;
    assert_eq!(failed(&bench).await, 0);
    let attempts: Vec<_> = deliveries
        .lock()
        .unwrap()
        .iter()
        .filter(|delivery| delivery.event_type == HIE)
        .map(|delivery| (delivery.attempt, delivery.replayed))
        .collect();
    assert_eq!(attempts, [(1, false), (2, true)]);
    let ordinals: Vec<_> = deliveries
        .lock()
        .unwrap()
        .iter()
        .map(|delivery| delivery.ordinal)
        .collect();
    assert_eq!(ordinals, [1, 2, 3, 4]);
    assert_eq!(bench.stand_in.fault_counts(), [("webhook_dropped", 1)].into());
    bench.stop().await;
}

#[tokio::test]
async fn webhook_with_a_lost_answer_is_replayed() {
    let (mut bench, _) = bench(DeliveryDecision::DropAnswer).await;
    assert_eq!(types(&mut bench, 3).await[0], HIE);
    logged(&bench, 3).await;
    assert_eq!(failed(&bench).await, 1);
    bench.post("/settings/webhook/retry", &json!({})).await;
    let again = bench.hook().await;
    assert_eq!(again.event_type(), HIE);
    assert!(again.json["meta"].get("data").is_none());
    logged(&bench, 4).await;
    assert_eq!(failed(&bench).await, 0);
    assert_eq!(bench.stand_in.fault_counts(), [("webhook_answer_dropped", 1)].into());
    bench.stop().await;
}

#[tokio::test]
async fn doubled_webhook_has_the_same_bytes_twice() {
    let (mut bench, _) = bench(DeliveryDecision::Double).await;
    let mut hooks = Vec::new();
    for _ in 0..4 {
        hooks.push(bench.hook().await);
    }
    let doubled: Vec<_> = hooks.iter().filter(|hook| hook.event_type() == HIE).collect();
    assert_eq!(doubled.len(), 2);
    assert_eq!(
        (&doubled[0].raw, &doubled[0].signature),
        (&doubled[1].raw, &doubled[1].signature)
    );
    logged(&bench, 4).await;
    assert_eq!(failed(&bench).await, 0);
    assert_eq!(bench.stand_in.fault_counts(), [("webhook_doubled", 1)].into());
    bench.stop().await;
}

#[tokio::test]
async fn late_webhook_is_overtaken() {
    let (mut bench, _) = bench(DeliveryDecision::DelayMs(700)).await;
    assert_eq!(
        types(&mut bench, 2).await,
        ["network-query.lab", "network-query.pharmacy"]
    );
    assert_eq!(bench.hook().await.event_type(), HIE);
    logged(&bench, 3).await;
    assert_eq!(bench.stand_in.fault_counts(), [("webhook_delayed", 1)].into());
    bench.stop().await;
}
