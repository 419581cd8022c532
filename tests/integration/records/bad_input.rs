//! Downloads that are not usable records. The person can read the result. The bucket keeps nothing of the download, not
//! even parts of an upload, and the function's memory has not grown.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use sandbox_metriport::{Failure, OddBody, Operation};
use serde_json::json;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::transfers::assert_little_memory;
use crate::harness::{Person, TestApp};

const MEBIBYTE: usize = 1024 * 1024;
const BUNDLE: &str = r#"{"resourceType":"Bundle","entry":["#;

/// A sandbox whose bucket is a folder. A large `time_scale` shortens the pause before a transfer is retried, and the
/// time limit of a transfer, which is eight seconds at 120.
async fn with_bucket(dir: &TempDir, time_scale: u32) -> TestApp {
    TestApp::with(|options| {
        options.time_scale = time_scale;
        options.stand_in.rate_limits = false;
        options.data_dir = Some(dir.path().to_owned());
    })
    .await
}

/// Files of uploads that were neither completed nor aborted. The embedded S3 keeps them next to the buckets.
fn unfinished(dir: &TempDir) -> Vec<String> {
    let files = std::fs::read_dir(dir.path().join("s3")).expect("the files of the buckets");
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".upload")).collect()
}

async fn verified(app: &TestApp) -> Person {
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    nora
}

async fn ask(person: &Person) -> sandbox_machine::app::Reply {
    ask_for(person, "json").await
}

async fn ask_for(person: &Person, form: &str) -> sandbox_machine::app::Reply {
    let id = person.ask_record(&json!({ "conversionType": form })).await;
    person.until_record(&id).await
}

/// `times` mebibytes of one byte, between `start` and `end`.
fn mebibytes(start: &str, byte: u8, times: usize, end: &'static str) -> OddBody {
    OddBody {
        start: start.to_owned().into(),
        repeated: vec![byte; MEBIBYTE].into(),
        times,
        end: end.into(),
        ..OddBody::default()
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).expect("a vector takes all");
    encoder.finish().expect("a vector takes all")
}

/// A Bundle with 200 MiB of blanks, packed into 200 kB of consecutive gzip members.
fn bomb() -> OddBody {
    OddBody {
        start: packed(BUNDLE.as_bytes()).into(),
        repeated: packed(&vec![b' '; MEBIBYTE]).into(),
        times: 200,
        end: packed(b"]}").into(),
        ..OddBody::default()
    }
}

/// Bodies that cannot be a record at any attempt, each with its name and the reason of its refusal.
fn hopeless_bodies() -> [(&'static str, OddBody, &'static str); 8] {
    let in_the_second_part = |end| mebibytes(&format!(r#"{BUNDLE}{{"x":""#), b'x', 9, end);
    let not_utf8 = mebibytes(&format!(r#"{BUNDLE}{{"x":""#), 0xc3, 1, "\"}]}");
    [
        (
            "nested",
            OddBody::of(format!("{BUNDLE}{}", "[".repeat(100_000))),
            "not_a_bundle",
        ),
        ("no JSON", in_the_second_part("\n\"}]}"), "not_a_bundle"),
        ("doubled", in_the_second_part("\"}],\"entry\":[]}"), "not_a_bundle"),
        (
            "doubled by an escape",
            in_the_second_part("\"}],\"\\u0065ntry\":[]}"),
            "not_a_bundle",
        ),
        (
            "no Bundle",
            in_the_second_part("\"}],\"resourceType\":\"Patient\"}"),
            "not_a_bundle",
        ),
        ("no UTF-8", not_utf8, "not_a_bundle"),
        (
            "packed, no Bundle",
            OddBody::of(packed(br#"{"resourceType":"Patient"}"#)),
            "not_a_bundle",
        ),
        ("bomb", bomb(), "too_large"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_download_fails_the_record_with_a_reason() {
    let dir = tempfile::tempdir().expect("a directory");
    let app = with_bucket(&dir, 1).await;
    let nora = verified(&app).await;
    let downloads = || app.stand_in().stats().calls(Operation::DownloadFile);
    let objects = app.objects().await;
    for (what, body, reason) in hopeless_bodies() {
        let before = downloads();
        app.stand_in().fail_next(Operation::DownloadFile, Failure::Odd(body));
        let record = ask(&nora).await;
        let end = ["/status", "/reason", "/next/action"].map(|field| record.text(field));
        assert_eq!(end, ["failed", reason, "request_record"], "{what}");
        assert!(record.body.get("link").is_none(), "{what}");
        assert_eq!(downloads(), before + 1, "{what}");
        assert_eq!(unfinished(&dir), [""; 0], "{what}");
    }
    assert_eq!(app.objects().await, objects);
    assert_little_memory(&app);
    assert_eq!(ask(&nora).await.text("/status"), "available");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_download_is_requested_again() {
    let dir = tempfile::tempdir().expect("a directory");
    let app = with_bucket(&dir, 120).await;
    let nora = verified(&app).await;
    let downloads = || app.stand_in().stats().calls(Operation::DownloadFile);
    let object_count = app.objects().await.len();
    let whole = format!("{BUNDLE}]}}");
    let of_length = |length: usize| OddBody {
        headers: vec![("content-length", length.to_string())],
        ..OddBody::of(whole.clone())
    };
    let mut cut = packed(whole.as_bytes());
    cut.truncate(cut.len() - 3);
    let endless = OddBody {
        hangs: true,
        ..mebibytes(&format!(r#"{BUNDLE}{{"x":""#), b'x', 9, "")
    };
    let odd = [
        (
            "truncated",
            "json",
            mebibytes(&format!(r#"{BUNDLE}{{"x":""#), b'x', 9, ""),
        ),
        ("longer than it says", "json", of_length(whole.len() - 1)),
        ("shorter than it says", "json", of_length(whole.len() + 1)),
        ("packed and truncated", "json", OddBody::of(cut)),
        ("stalled for ever", "json", endless),
        ("a PDF without its end", "pdf", mebibytes("%PDF-1.4\n", b'x', 9, "")),
        (
            "an apology for a PDF",
            "pdf",
            OddBody::of("<html>Sorry</html>".to_owned()),
        ),
        ("nothing for HTML", "html", OddBody::of(String::new())),
    ];
    for (times, (what, form, body)) in odd.into_iter().enumerate() {
        let before = downloads();
        app.stand_in().fail_next(Operation::DownloadFile, Failure::Odd(body));
        let record = ask_for(&nora, form).await;
        assert_eq!(record.text("/status"), "available", "{what}: {:?}", record.body);
        assert_eq!(downloads(), before + 2, "{what}");
        assert_eq!(unfinished(&dir), [""; 0], "{what}");
        assert_eq!(app.objects().await.len(), object_count + times + 1, "{what}");
        let bytes = nora.download(&record).await;
        assert_eq!(record.text("/sha256"), hex::encode(Sha256::digest(&bytes)), "{what}");
    }
    assert!(app.log().iter().any(|line| gave_up(line)));
    assert_little_memory(&app);
    app.end().await;
}

/// Whether a transfer reached a time limit: the limit of the whole transfer, or on a slow machine the limit of one wait
/// for bytes.
fn gave_up(line: &str) -> bool {
    line.contains("time limit reached") || line.contains("the transfer broke: stalled")
}

/// A scanned document is a single string in a record, and it can be of any length.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn single_large_resource_is_stored() {
    let dir = tempfile::tempdir().expect("a directory");
    let app = TestApp::with(|options| options.data_dir = Some(dir.path().to_owned())).await;
    let nora = verified(&app).await;
    let (start, end) = (
        format!(r#"{BUNDLE}{{"resource":{{"resourceType":"Binary","data":""#),
        "\"}}]}",
    );
    let body = mebibytes(&start, b'A', 50, end);
    let mut hash = Sha256::new_with_prefix(&start);
    (0..body.times).for_each(|_| hash.update(&body.repeated));
    let hash = hash.chain_update(end).finalize();
    app.stand_in().fail_next(Operation::DownloadFile, Failure::Odd(body));
    let record = ask(&nora).await;
    assert_eq!(record.text("/status"), "available", "{:?}", record.body);
    assert_eq!(record.text("/sha256"), hex::encode(hash));
    assert_eq!(record.body["counts"], json!({ "Binary": 1 }));
    assert_eq!(unfinished(&dir), [""; 0]);
    assert_little_memory(&app);
    app.end().await;
}
