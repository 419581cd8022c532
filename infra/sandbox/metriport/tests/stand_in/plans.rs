//! Calls that misbehave according to a plan, with and without effect.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Response;
use sandbox_metriport::{CallInfo, Failure, FaultPlan, Interceptor, Operation, Passage, Source, StandInOptions};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::bench::{Bench, options, patient_body};

/// Fails once, at the first call of one operation, and records the numbers of all calls.
#[derive(Default)]
struct Once {
    operation: Option<Operation>,
    failure: Option<Failure>,
    before: Option<Passage>,
    after: Option<Passage>,
    calls: Mutex<Vec<(Operation, u64, u64, String)>>,
}

impl Once {
    fn is_it(&self, call: &CallInfo) -> bool {
        self.operation == Some(call.operation) && call.ordinal == 1
    }
}

#[async_trait::async_trait]
impl Interceptor for Once {
    fn decide(&self, call: &CallInfo) -> Option<Failure> {
        let (ordinal, caller_ordinal, agent) = (call.ordinal, call.caller_ordinal, call.user_agent.clone());
        self.calls
            .lock()
            .unwrap()
            .push((call.operation, ordinal, caller_ordinal, agent));
        self.failure.clone().filter(|_| self.is_it(call))
    }

    async fn before(&self, call: &CallInfo) -> Passage {
        self.before.filter(|_| self.is_it(call)).unwrap_or(Passage::Go)
    }

    async fn after(&self, call: &CallInfo, _status: u16) -> Passage {
        self.after.filter(|_| self.is_it(call)).unwrap_or(Passage::Go)
    }
}

fn planned(interceptor: Arc<dyn Interceptor>) -> StandInOptions {
    let faults = FaultPlan {
        calls: Some(interceptor),
        webhooks: None,
    };
    StandInOptions { faults, ..options() }
}

fn failing(operation: Operation, failure: Failure) -> StandInOptions {
    planned(Arc::new(Once {
        operation: Some(operation),
        failure: Some(failure),
        ..Once::default()
    }))
}

async fn create(bench: &Bench) -> Result<Response, reqwest::Error> {
    let request = bench.post_request(&bench.create_patient_path(), &patient_body("Nora"));
    request.send().await
}

async fn exists(bench: &Bench) -> bool {
    let path = "/medical/v1/patient/external-id?externalId=user-48213";
    bench.get(path).await.status() == 200
}

#[tokio::test]
async fn only_failures_after_the_effect_keep_the_effect() {
    for (failure, status, kind, effect) in [
        (
            Failure::RateLimited { retry_after_secs: 7 },
            429,
            "too_many_requests",
            false,
        ),
        (Failure::limit_exceeded(), 429, "too_many_requests", false),
        (Failure::internal(), 500, "status_before_effect", false),
        (Failure::internal().after_effect(), 500, "status_after_effect", true),
        (Failure::gateway_timeout(), 504, "status_before_effect", false),
        (
            Failure::gateway_timeout().after_effect(),
            504,
            "status_after_effect",
            true,
        ),
    ] {
        let bench = Bench::start(failing(Operation::CreatePatient, failure.clone())).await;
        assert_eq!(create(&bench).await.unwrap().status(), status, "{failure:?}");
        assert_eq!(exists(&bench).await, effect, "{failure:?}");
        assert_eq!(bench.stand_in.fault_counts(), [(kind, 1)].into());
        assert_eq!(create(&bench).await.unwrap().status(), 201);
        bench.stop().await;
    }
}

#[tokio::test]
async fn limiter_and_gateway_answer_429_in_different_forms() {
    let limiter = failing(Operation::CreatePatient, Failure::RateLimited { retry_after_secs: 7 });
    let bench = Bench::start(limiter).await;
    let refused = create(&bench).await.unwrap();
    let header = |name: &str| refused.headers()[name].to_str().unwrap();
    assert_eq!(
        (header("retry-after"), header("content-type")),
        ("7", "text/html; charset=utf-8")
    );
    assert_eq!(bench.stand_in.stats().too_many_requests(), 1);
    bench.stop().await;

    let bench = Bench::start(failing(Operation::CreatePatient, Failure::limit_exceeded())).await;
    let refused = create(&bench).await.unwrap();
    assert!(refused.headers().get("retry-after").is_none());
    assert_eq!(refused.text().await.unwrap(), r#"{"message":"Limit Exceeded"}"#);
    bench.stop().await;
}

#[tokio::test]
async fn single_source_can_be_refused_by_a_fault() {
    let failure = Failure::sources_limited(vec![Source::Pharmacy]);
    let mut bench = Bench::ready(failing(Operation::StartNetworkQuery, failure)).await;
    let patient_id = bench.patient("Nora").await;
    let body = json!({ "sources": ["hie", "pharmacy", "lab"] });
    let path = format!("/medical/v1/network/query?patientId={patient_id}");
    let started = bench.post_json(&path, &body).await;
    let errors = started["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1);
    assert_eq!(
        (&errors[0]["source"], &errors[0]["httpStatus"]),
        (&json!("pharmacy"), &json!(429))
    );
    let mut ended = [bench.hook().await, bench.hook().await].map(|hook| hook.event_type().to_owned());
    ended.sort();
    assert_eq!(ended, ["network-query.hie", "network-query.lab"]);
    assert_eq!(bench.stand_in.fault_counts(), [("sources_refused", 1)].into());
    bench.stop().await;
}

#[tokio::test]
async fn link_is_refused_once_by_a_fault() {
    let mut bench = Bench::ready(failing(Operation::DownloadFile, Failure::link_refused())).await;
    let patient_id = bench.collected("Nora").await;
    let link = bench.attachments(&patient_id, "conversionType=json").await[0].1.clone();
    let refused = bench.client.get(&link).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    let words = refused.text().await.unwrap();
    assert!(words.contains("<Code>AccessDenied</Code><Message>Request has expired</Message>"));
    assert_eq!(bench.client.get(&link).send().await.unwrap().status(), 200);
    bench.stop().await;
}

#[tokio::test]
async fn call_is_dropped_before_or_after_its_effect() {
    let drop = Some(Passage::Drop);
    for (before, after, kind, effect) in [
        (drop, None, "dropped_before", false),
        (None, drop, "dropped_after", true),
    ] {
        let once = Once {
            operation: Some(Operation::CreatePatient),
            before,
            after,
            ..Once::default()
        };
        let bench = Bench::start(planned(Arc::new(once))).await;
        assert!(create(&bench).await.is_err());
        assert_eq!(exists(&bench).await, effect);
        assert_eq!(bench.stand_in.fault_counts(), [(kind, 1)].into());
        bench.stop().await;
    }
}

#[tokio::test]
async fn calls_are_numbered_by_operation_and_by_caller() {
    let once = Arc::new(Once::default());
    let bench = Bench::start(planned(once.clone())).await;
    create(&bench).await.unwrap();
    bench.get("/settings").await;
    let other = bench.get_request("/settings").header("user-agent", "other/1");
    other.send().await.unwrap();
    let calls: Vec<_> = once.calls.lock().unwrap().clone();
    let agent = |name: &str| name.to_owned();
    assert_eq!(
        calls,
        [
            (Operation::CreatePatient, 1, 1, agent("bench/1")),
            (Operation::ReadSettings, 1, 2, agent("bench/1")),
            (Operation::ReadSettings, 2, 1, agent("other/1")),
        ]
    );
    assert!(bench.stand_in.fault_counts().is_empty());
    bench.stop().await;
}

/// Waits for permission to continue, even if the caller no longer waits.
#[derive(Default)]
struct Patient {
    arrival: Notify,
    go_on: Notify,
    end: Notify,
}

#[async_trait::async_trait]
impl Interceptor for Patient {
    async fn before(&self, _: &CallInfo) -> Passage {
        self.arrival.notify_one();
        self.go_on.notified().await;
        self.end.notify_one();
        Passage::Drop
    }
}

#[tokio::test]
async fn interceptor_runs_to_its_end_after_the_caller_disconnects() {
    let patient = Arc::new(Patient::default());
    let bench = Bench::start(planned(patient.clone())).await;
    let call = tokio::spawn(bench.get_request("/settings").send());
    patient.arrival.notified().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    patient.go_on.notify_one();
    let end = tokio::time::timeout(Duration::from_secs(20), patient.end.notified());
    end.await.expect("the interceptor was cut off");
    bench.stop().await;
}

/// A webhook can arrive before its receiver has stored the start that it belongs to.
#[tokio::test]
async fn webhooks_overtake_a_delayed_answer() {
    let late = failing(Operation::StartNetworkQuery, Failure::HangFor(600_000));
    let mut bench = Bench::ready(late).await;
    let patient_id = bench.patient("Nora").await;
    let path = format!("/medical/v1/network/query?patientId={patient_id}");
    let body = json!({ "sources": ["hie", "pharmacy", "lab"], "metadata": { "runId": "run-1" } });
    let start = tokio::spawn(bench.post_request(&path, &body).send());
    for _ in 0..3 {
        let hook = bench.hook().await;
        assert_eq!(hook.json["meta"]["data"]["runId"], "run-1");
    }
    assert!(!start.is_finished());
    assert_eq!(bench.stand_in.fault_counts(), [("late", 1)].into());
    start.abort();
    bench.stop().await;
}

#[tokio::test]
async fn garbage_answer_is_not_json_and_keeps_the_effect() {
    let bench = Bench::start(failing(Operation::CreatePatient, Failure::Garbage)).await;
    assert!(create(&bench).await.unwrap().json::<Value>().await.is_err());
    assert!(exists(&bench).await);
    assert_eq!(bench.stand_in.fault_counts(), [("garbage", 1)].into());
    bench.stop().await;
}
