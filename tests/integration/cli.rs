//! The command `ias`, started as a user starts it.

mod account;
mod front;
mod stand_in;
mod up;
mod verify_log;

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::process::Command;

use crate::harness::BOUND;

fn ias(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ias"));
    command
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

pub(crate) async fn output(args: &[&str]) -> Output {
    output_with(args, Vec::new()).await
}

/// The output of a command with further variables.
pub(crate) async fn output_with(args: &[&str], variables: Vec<(String, String)>) -> Output {
    let mut command = ias(args);
    let ended = tokio::time::timeout(BOUND, command.envs(variables).output()).await;
    ended.expect("the command ends").expect("the command runs")
}

#[expect(clippy::print_stderr, reason = "a skipped test prints its reason")]
fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn project_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[derive(Deserialize)]
struct Bundle {
    entry: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    resource: Box<RawValue>,
}

/// The resources of a Bundle as their original text, sorted.
fn resources(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).expect("a file");
    let bundle: Bundle = serde_json::from_slice(&bytes).expect("a Bundle");
    let mut texts: Vec<String> = bundle
        .entry
        .iter()
        .map(|entry| entry.resource.get().to_owned())
        .collect();
    texts.sort();
    texts
}

/// Checks that a pull returns every resource of this record unchanged.
async fn assert_pulled_unchanged(record: &Path) {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("pulled.json");
    let pulled = output(&[
        "pull",
        "--record",
        record.to_str().unwrap(),
        "--keep-patients",
        "--out",
        out.to_str().unwrap(),
    ])
    .await;
    assert!(
        pulled.status.success(),
        "{}{}",
        text(&pulled.stdout),
        text(&pulled.stderr)
    );
    assert!(text(&pulled.stdout).contains(out.to_str().unwrap()));
    assert!(
        resources(record) == resources(&out),
        "{} came back changed",
        record.display()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_as_json_has_every_step() {
    let pulled = output(&["pull", "--json"]).await;
    assert!(pulled.status.success(), "{}", text(&pulled.stderr));
    let report: Value = serde_json::from_slice(&pulled.stdout).expect("one JSON object");
    let steps: Vec<u64> = report["steps"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|step| step["step"].as_u64())
        .collect();
    assert_eq!(steps, [0, 1, 2, 3, 4, 2, 3, 4]);
    assert_eq!(report["persona"], "ordinary");
    assert!(
        report["pulls"]
            .as_array()
            .unwrap()
            .iter()
            .all(|pull| pull["status"] == "completed")
    );
    assert!(report["record"]["total"].as_u64().is_some_and(|total| total > 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_record_is_pulled_unchanged() {
    assert_pulled_unchanged(&project_file("tests/fixtures/bundle-small.json")).await;
}

/// The records are the sandbox's samples.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn synthea_records_are_pulled_unchanged() {
    let folder = std::fs::read_dir(project_file("infra/sandbox/fhir/fixtures")).expect("a folder");
    let files = folder.map(|file| file.expect("a file").path());
    let records: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "json"))
        .collect();
    assert!(!records.is_empty());
    let mut pulls = tokio::task::JoinSet::new();
    for record in records {
        pulls.spawn(async move { assert_pulled_unchanged(&record).await });
    }
    pulls.join_all().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_record_file_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).expect("a file");
        path.to_str().unwrap().to_owned()
    };
    for (path, reason) in [
        (
            folder.path().join("missing.json").to_str().unwrap().to_owned(),
            "No such file",
        ),
        (
            file("text.json", "Dear Sir or Madam"),
            "not JSON: reading stopped at line 1",
        ),
        (
            file("patient.json", r#"{"resourceType":"Patient"}"#),
            "not a FHIR Bundle",
        ),
        (
            file("empty.json", r#"{"resourceType":"Bundle","entry":[]}"#),
            "the Bundle has no entries",
        ),
        (
            file(
                "escaped.json",
                r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Goal","i\u0064":"1"}}]}"#,
            ),
            "entry 0 (counted from 0), Goal: name with an escape",
        ),
    ] {
        for command in ["pull", "up", "stand-in"] {
            let args = [command, "--record", &path];
            let refused = output(&args).await;
            let stderr = text(&refused.stderr);
            assert_eq!(refused.status.code(), Some(1), "{stderr}");
            assert!(
                stderr.starts_with("error: ") && stderr.contains(reason) && stderr.contains(&path),
                "{stderr}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_of_a_record_cannot_control_the_terminal() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("odd.json");
    let record = concat!(
        r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p1"}},{"resource":"#,
        r#"{"resourceType":"Observation","meta":{"source":"\u001b[31mhttp://evil\u001b[0m\nfake line\u202e"}}}]}"#
    );
    std::fs::write(&path, record).expect("a file");
    let pulled = output(&["pull", "--record", path.to_str().unwrap()]).await;
    let stdout = text(&pulled.stdout);
    assert!(pulled.status.success(), "{stdout}");
    assert!(
        stdout.contains(r"from \u001b[31mhttp://evil\u001b[0m\u000afake line\u202e: 1"),
        "{stdout}"
    );
    assert!(!stdout.contains(['\u{1b}', '\u{202e}']), "{stdout:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_pull_prints_the_reason_and_exits_with_1() {
    let refused = output(&["pull", "--persona", "wrong-external-id"]).await;
    let stderr = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("patient_link_refused") && stderr.contains("409"),
        "{stderr}"
    );
    let unknown = output(&["pull", "--persona", "nobody"]).await;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(
        text(&unknown.stderr).contains("wrong-external-id"),
        "the personas there are"
    );
}
