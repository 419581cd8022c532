//! The metrics of each call.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::domain::{ExternalId, UpstreamRequestId};
use shared::metrics::Metrics;
use shared::metriport::{Client, FindPatient as _, ReadNetworkQuery as _};
use tokio::net::TcpListener;

use crate::upstream::{Answer, Upstream, client, patient_id, patient_json};

/// A client, and the lines it writes.
fn capture_metrics(client: Client) -> (Client, Arc<Mutex<Vec<Value>>>) {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let metrics = Metrics::to("test", move |line| {
        sink.lock().unwrap().push(serde_json::from_str(line).unwrap());
    });
    (client.with_metrics(metrics), lines)
}

/// The operation of each latency and the kind of each error, in order.
fn collect_metrics(lines: &Mutex<Vec<Value>>) -> (Vec<Value>, Vec<Value>) {
    let lines = lines.lock().unwrap();
    let of = |metric: &str, dimension: &str| {
        let with = lines.iter().filter(|line| line.get(metric).is_some());
        with.map(|line| line[dimension].clone()).collect()
    };
    (of("UpstreamLatency", "Operation"), of("UpstreamErrors", "Kind"))
}

#[tokio::test]
async fn call_writes_its_latency_and_a_failure_its_kind() {
    let request = UpstreamRequestId::parse("req-1").unwrap();
    for (answer, failure) in [
        (
            Answer::json(200, &json!({ "requestId": "req-1", "status": "processing" })),
            None,
        ),
        (Answer::json(503, &json!({})), Some("server")),
        (Answer::json(429, &json!({})), Some("rate-limited")),
        (Answer::json(404, &json!({ "title": "Not Found" })), Some("not-found")),
        // A fault that only the reader of the answer notices also counts, exactly once.
        (Answer::new(200, "application/json", "no JSON"), Some("garbage")),
        (Answer::json(200, &json!({})), Some("garbage")),
        (
            Answer::json(200, &json!({ "requestId": "another", "status": "processing" })),
            Some("garbage"),
        ),
        (Answer::new(200, "text/plain", vec![b'x'; 9 << 20]), Some("garbage")),
    ] {
        let upstream = Upstream::answering(answer).await;
        let (client, lines) = capture_metrics(upstream.client());
        let read = client.read_network_query(&request).await;
        assert_eq!(read.is_err(), failure.is_some());
        let failures: Vec<_> = failure.into_iter().map(|kind| json!(kind)).collect();
        assert_eq!(collect_metrics(&lines), (vec![json!("read-network-query")], failures));
    }
}

#[tokio::test]
async fn call_without_a_connection_writes_its_metrics() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (client, lines) = capture_metrics(client(&base));
    client.get_patient(&patient_id()).await.unwrap_err();
    assert_eq!(
        collect_metrics(&lines),
        (vec![json!("get-patient")], vec![json!("connect")])
    );
}

#[tokio::test]
async fn search_without_a_result_does_not_count_as_an_error() {
    let id = ExternalId::parse("user-48213").unwrap();
    let absent = json!({ "status": 404, "name": "NotFoundError", "title": "Not Found", "detail": "Patient not found" });
    for (status, body, failures) in [
        (200, patient_json(), vec![]),
        (404, absent, vec![]),
        // The request did not reach the API.
        (404, json!({ "message": "Not Found" }), vec![json!("no-route")]),
    ] {
        let upstream = Upstream::answering_json(status, body).await;
        let (client, lines) = capture_metrics(upstream.client());
        drop(client.find_patient(&id).await);
        assert_eq!(collect_metrics(&lines), (vec![json!("find-patient")], failures));
    }
}
