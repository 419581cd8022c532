//! `ias verify-log`, with an export that another program made (`tests/fixtures/access-log/make.py`).

use std::path::Path;

use super::{output, project_file, text};

fn sample(name: &str) -> String {
    let path = project_file("tests/fixtures/access-log").join(name);
    path.to_str().expect("UTF-8").to_owned()
}

/// The exit code, and the output of either kind.
async fn verify(file: &Path, options: &[&str]) -> (i32, String) {
    let (file, key) = (file.to_str().expect("UTF-8"), sample("public.pem"));
    let args = [&["verify-log", file, "--key", &key], options].concat();
    let ended = output(&args).await;
    let code = ended.status.code().expect("a code");
    (code, text(&ended.stdout) + &text(&ended.stderr))
}

/// Verifies the sample with `from` replaced by `to`, once.
async fn verify_changed(from: &str, to: &str) -> (i32, String) {
    let export = std::fs::read_to_string(sample("export.jsonl")).expect("a file");
    assert!(export.contains(from));
    let folder = tempfile::tempdir().expect("a folder");
    let changed = folder.path().join("changed.jsonl");
    std::fs::write(&changed, export.replacen(from, to, 1)).expect("a file");
    verify(&changed, &[]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn untouched_export_exits_with_0_and_says_its_days() {
    let (code, output) = verify(Path::new(&sample("export.jsonl")), &[]).await;
    assert_eq!(code, 0, "{output}");
    let days = "days 2026-11-23 to 2026-11-25: 5 entries, complete and unchanged\n";
    assert!(
        output.starts_with(days) && output.contains("since 2026-11-26: 1 entry not sealed yet\n"),
        "{output}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_export_exits_with_1_and_one_line() {
    for (from, to, expected) in [
        (
            "10:03:22.123Z",
            "10:03:22.124Z",
            "day 2026-11-25, entry 2 (2026-11-25T10:03:22.124Z): changed",
        ),
        (
            r#"2026-11-23\",\"entries\":"#,
            r#"2026-11-23\",\"entries\":1"#,
            "day 2026-11-23: rewritten (signature)",
        ),
        (
            "\"owner\":\"v1.nora\"",
            "\"owner\":\"v1.\\u001b[2J\"",
            "page 1: not a page of an access log",
        ),
        (
            "\"stack\":\"ias\"",
            "\"stack\":\"\\u001b[2J\"",
            "day 2026-11-23: rewritten (statement)",
        ),
    ] {
        let (code, output) = verify_changed(from, to).await;
        assert_eq!(code, 1, "{output}");
        assert!(
            output.starts_with(&format!("error: {expected}")) && output.lines().count() == 1,
            "{output}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn old_export_is_noticed_only_with_its_time() {
    let file = sample("export.jsonl");
    let (code, output) = verify(Path::new(&file), &["--as-of", "2026-12-24T00:00:00Z"]).await;
    assert_eq!((code, output.as_str()), (1, "error: day 2026-11-26: seal missing\n"));
    let (code, text) = verify(Path::new(&file), &["--as-of", "yesterday"]).await;
    assert!(code == 2 && text.contains("not an ISO 8601 timestamp"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_file_or_key_is_refused_by_its_name() {
    let (code, text) = verify(Path::new("/missing.jsonl"), &[]).await;
    assert!(code == 1 && text.contains("/missing.jsonl: "), "{text}");
    let (code, text) = verify(Path::new(&sample("export.jsonl")), &["--key", &sample("make.py")]).await;
    assert!(code == 1 && text.contains("make.py: no public key in PEM"), "{text}");
    let without_key = output(&["verify-log", &sample("export.jsonl")]).await;
    assert_eq!(without_key.status.code(), Some(2));
}
