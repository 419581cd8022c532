//! Exports while stored objects are missing, or the bucket fails; and the objects that a page reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use sandbox_aws::{Call, Failure, Interceptor, Service, Verdict};
use sandbox_host::access_key_id;
use serde_json::Value;
use shared::domain::Timing;
use shared::domain::log::LogDay;
use shared::edge::http::Code;

use super::entries;
use super::large::add_entries;
use super::later::{KeyFile, days_later, objects, pages, read_pages, seal};
use super::sealing::{note, person};
use crate::harness::TestApp;

/// Counts the objects that `account` reads, and refuses them if asked.
#[derive(Default)]
struct Reads {
    objects: AtomicUsize,
    refuses: AtomicBool,
}

#[async_trait::async_trait]
impl Interceptor for Reads {
    async fn before(&self, call: &Call) -> Verdict {
        let is_read = call.service == Service::S3 && call.operation == "GetObject";
        if !is_read || call.access_key_id != Some(access_key_id("account")) {
            return Verdict::Forward;
        }
        self.objects.fetch_add(1, Ordering::SeqCst);
        match self.refuses.load(Ordering::SeqCst) {
            true => Verdict::Fail(Failure::Unavailable),
            false => Verdict::Forward,
        }
    }
}

async fn with_reads() -> (TestApp, Arc<Reads>) {
    let reads = Arc::new(Reads::default());
    let plan = reads.clone();
    let app = TestApp::with(move |options| {
        options.prewarm = false;
        options.faults.aws = Some(plan);
    });
    (app.await, reads)
}

async fn delete(app: &TestApp, key: &str) {
    let delete = app.aws().s3().delete_object().bucket("ias-sealsbucket").key(key);
    delete.send().await.expect("a deletion");
}

/// The person gets their entries, and the verifier names the day.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_object_leaves_its_day_without_proof() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (key, nora) = (KeyFile::of(&app).await, person(1));
    for day in 0..3 {
        note(&app, &nora, days_later(day)).await;
    }
    assert_eq!(seal(&app, 3).await.ok(), Some(3));
    assert_eq!(key.verify(&pages(&app, &nora, 3).await).await.0, 0);
    let second = LogDay::of(days_later(1), Timing::default());
    let shards = objects(&app, &format!("shards/{}", second.sortable())).await;
    delete(&app, &shards[0].0).await;
    let export = pages(&app, &nora, 3).await;
    let page: Value = serde_json::from_str(&export[0]).expect("JSON");
    let entries = page["days"].as_array().expect("days").iter();
    let entries = entries.map(|day| day["entries"].as_array().expect("entries").len());
    assert_eq!(entries.collect::<Vec<_>>(), [1, 1, 1]);
    let (code, output) = key.verify(&export).await;
    assert_eq!(code, 1, "{output}");
    assert!(
        output.contains(&format!("day {second}: rewritten (entries)")),
        "{output}"
    );
    app.end().await;
}

/// A seal that was listed and then cannot be read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreadable_seal_is_named_by_the_verifier() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (key, nora) = (KeyFile::of(&app).await, person(1));
    note(&app, &nora, days_later(0)).await;
    assert_eq!(seal(&app, 3).await.ok(), Some(3));
    let second = LogDay::of(days_later(1), Timing::default());
    let put = app.aws().s3().put_object().bucket("ias-sealsbucket");
    let put = put.key(format!("seals/{}.json", second.sortable()));
    put.body(b"{".to_vec().into()).send().await.expect("a put");
    let (code, output) = key.verify(&pages(&app, &nora, 3).await).await;
    assert_eq!(code, 1, "{output}");
    assert!(output.contains(&format!("day {second}: seal missing")), "{output}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn export_is_refused_while_the_bucket_is_unavailable() {
    let (app, reads) = with_reads().await;
    let nora = person(1);
    note(&app, &nora, days_later(0)).await;
    seal(&app, 1).await.expect("a seal");
    reads.refuses.store(true, Ordering::SeqCst);
    let error = read_pages(&app, &nora, 1).await.expect_err("an error");
    assert_eq!(error.into_problem().code, Code::Unavailable);
    reads.refuses.store(false, Ordering::SeqCst);
    assert!(read_pages(&app, &nora, 1).await.is_ok());
    app.end().await;
}

/// The first page is full after its first day, so it reads a seal and two parts of a file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_reads_only_the_days_that_it_shows() {
    let (app, reads) = with_reads().await;
    let nora = person(1);
    note(&app, &nora, days_later(0)).await;
    add_entries(&app, &entries(&app).await[0], 1_000).await;
    note(&app, &nora, days_later(5).plus(Duration::from_secs(1))).await;
    assert_eq!(seal(&app, 6).await.ok(), Some(6));
    let export = pages(&app, &nora, 6).await;
    assert_eq!(export.len(), 2);
    // The second page has the rest of the first day, four days without entries, and the last day.
    assert_eq!(reads.objects.load(Ordering::SeqCst), 3 + 3 + 4 + 3);
    app.end().await;
}
