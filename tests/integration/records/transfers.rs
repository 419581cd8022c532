//! Transfers that are large, that break off, or that deliver a file that is not a record.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sandbox_aws::{Call, Ending};
use sandbox_fhir::{RecordFilter, Source, bundle_text, split};
use sandbox_metriport::{Failure, OddBody, Operation};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::domain::record::ATTEMPTS_MAX;
use shared::records::PART_BYTES;

use super::resources;
use crate::harness::TestApp;

/// The function's memory does not grow with the record. This record would not fit into the allowed memory as a whole.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_record_is_streamed_with_little_memory() {
    const RESOURCES: usize = 50;
    const BYTES_MIN: usize = 50_000_000;
    // The body compresses to about a third. `record-fetch` refuses a body that compresses to almost nothing.
    let render_word = |n: u32| format!("{:08x} ", n.wrapping_mul(0x9e37_79b1));
    let note: String = (0..120_000).map(render_word).collect();
    let resource = |n| json!({ "resourceType": "Observation", "id": format!("o-{n}"), "note": [{ "text": note }] });
    let entries: Vec<Value> = (0..RESOURCES).map(|n| json!({ "resource": resource(n) })).collect();
    let bundle = json!({ "resourceType": "Bundle", "type": "collection", "entry": entries }).to_string();
    let record = split(bundle.as_bytes()).expect("a record");
    let text = bundle_text(Arc::new(record.clone()), &Source::ALL, &RecordFilter::default());
    let whole = text.collect::<Vec<_>>().concat();
    assert!(whole.len() > BYTES_MIN);

    let app = TestApp::with(|options| {
        options.stand_in.record = Some(record);
        options.stand_in.replace_patient = false;
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["hie"]).await).await;
    let record = nora.final_record(&pull).await;
    assert_eq!(record.number("/counts/Observation"), RESOURCES as u64);
    assert_eq!(record.text("/sha256"), hex::encode(Sha256::digest(&whole)));
    assert!(nora.download(&record).await == whole, "the record came back changed");
    assert_little_memory(&app);
    app.end().await;
}

/// Checks that each `record-fetch` process has used no more memory than it needs for itself and the parts in flight.
pub fn assert_little_memory(app: &TestApp) {
    const RESIDENT_KIB_MAX: u64 = 80 * 1024;
    let fetchers = app.processes("record-fetch");
    assert!(fetchers.iter().any(|process| !process.invocations.is_empty()));
    for process in fetchers {
        let peak = peak_resident_kib(process.pid);
        assert!((1..RESIDENT_KIB_MAX).contains(&peak), "{peak} KiB");
    }
}

/// The peak memory of a process so far (`VmHWM`, see proc_pid_status(5)).
fn peak_resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process of this machine");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("a peak");
    line.trim().trim_end_matches("kB").trim().parse().expect("a number")
}

/// Drops the answer to the first completed upload.
#[derive(Default)]
struct UnansweredEnd {
    lost: AtomicBool,
}

#[async_trait::async_trait]
impl sandbox_aws::Interceptor for UnansweredEnd {
    async fn after(&self, call: &Call, _status: u16) -> Ending {
        match call.operation == "CompleteMultipartUpload" && !self.lost.swap(true, Ordering::Relaxed) {
            true => Ending::Drop,
            false => Ending::Return,
        }
    }
}

/// The second attempt to complete the upload learns that the upload no longer exists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn upload_completed_without_an_answer_is_not_repeated() {
    let app = TestApp::with(|options| {
        options.stand_in.rate_limits = false;
        options.faults.aws = Some(Arc::new(UnansweredEnd::default()));
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    let calls = |operation| app.stand_in().stats().calls(operation);
    let before = [Operation::StartConsolidatedQuery, Operation::DownloadFile].map(calls);
    let twice_a_part = format!(r#"{{"resourceType":"Bundle","x":"{}"}}"#, "x".repeat(2 * PART_BYTES));
    let body = OddBody::of(twice_a_part.clone());
    app.stand_in().fail_next(Operation::DownloadFile, Failure::Odd(body));
    let id = nora.ask_record(&json!({ "conversionType": "json" })).await;
    let record = nora.until_record(&id).await;
    assert_eq!(record.text("/status"), "available", "{:?}", record.body);
    assert_eq!(app.sandbox().aws().fault_counts(), [("dropped_after", 1)].into());
    let after = [Operation::StartConsolidatedQuery, Operation::DownloadFile].map(calls);
    assert_eq!(after, before.map(|calls| calls + 1), "{:?}", app.log());
    assert!(nora.download(&record).await == twice_a_part.as_bytes());
    app.end().await;
}

/// The failure of a download: the link answers with this status and body, and not with the record.
pub fn answer(code: u16, body: &str) -> Failure {
    let (body, content_type) = (body.to_owned(), "application/json".to_owned());
    Failure::Status {
        code,
        body,
        content_type,
    }
}

/// Starts a sandbox in which time runs fast, so that pauses between attempts are short.
pub async fn hurried() -> TestApp {
    TestApp::with(|options| {
        options.time_scale = 60;
        options.stand_in.rate_limits = false;
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_transfer_is_retried_up_to_the_maximum() {
    let app = hurried().await;
    let (nora, omar) = (app.person("nora", "Jane").await, app.person("omar", "Jane").await);
    tokio::join!(nora.verify_identity(), omar.verify_identity());
    let downloads = || app.stand_in().stats().calls(Operation::DownloadFile);

    // Four downloads fail: one is refused, one cut off, one ends early, and one is reset. The fifth gets the whole
    // record.
    for failure in [
        answer(403, "<Error/>"),
        Failure::TruncateAfter(300),
        answer(200, r#"{"resourceType":"Bundle","entry":["#),
        Failure::ResetBeforeEffect,
    ] {
        app.stand_in().fail_next(Operation::DownloadFile, failure);
    }
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(
        (pull.text("/status"), downloads()),
        ("completed".into(), 5),
        "{:?}",
        pull.body
    );
    let record = nora.final_record(&pull).await;
    let bytes = nora.download(&record).await;
    assert_eq!(record.text("/sha256"), hex::encode(Sha256::digest(&bytes)));
    assert!(!resources(&bytes).is_empty());
    assert_eq!(app.objects().await.len(), 1);

    for _ in 0..ATTEMPTS_MAX {
        app.stand_in()
            .fail_next(Operation::DownloadFile, answer(403, "<Error/>"));
    }
    let pull = omar.until_ended(&omar.start_from(&["lab"]).await).await;
    let reason = (pull.text("/status"), pull.text("/reason"), pull.text("/next/action"));
    assert_eq!(
        reason,
        ("failed".into(), "record_unavailable".into(), "request_record".into())
    );
    let record = omar.record(pull.list("/records")[0]["id"].as_str().unwrap()).await;
    assert_eq!(
        (record.text("/status"), record.text("/reason")),
        ("failed".into(), "attempts_exhausted".into())
    );
    assert_eq!(
        (downloads(), app.objects().await.len()),
        (5 + u64::from(ATTEMPTS_MAX), 1)
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_bundle_is_not_stored() {
    let app = hurried().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let downloads = || app.stand_in().stats().calls(Operation::DownloadFile);
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "completed");
    let objects = app.objects().await;
    for body in [
        "<html><body>Sorry</body></html>",
        r#"{"resourceType":"Patient","id":"p"}"#,
        r#"{"entry":[]}"#,
        "[]",
        "null",
        r#"{"resourceType":"Bundle","entry":[]} trailing"#,
        r#"{"resourceType":"Bundle","entry":[],}"#,
    ] {
        let before = downloads();
        app.stand_in().fail_next(Operation::DownloadFile, answer(200, body));
        let record = nora
            .until_record(&nora.ask_record(&json!({ "conversionType": "json" })).await)
            .await;
        let reason = (
            record.text("/status"),
            record.text("/reason"),
            record.text("/next/action"),
        );
        assert_eq!(
            reason,
            ("failed".into(), "not_a_bundle".into(), "request_record".into()),
            "{body}"
        );
        assert!(record.body.get("link").is_none());
        assert_eq!(downloads(), before + 1, "{body}");
    }
    assert_eq!(
        app.objects().await,
        objects,
        "the bucket holds an object that is not a record"
    );

    let id = nora.ask_record(&json!({ "conversionType": "json" })).await;
    assert_eq!(nora.until_record(&id).await.text("/status"), "available");
    app.end().await;
}
