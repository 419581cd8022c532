//! Starts a host with the example function, and holds the actions that tests share.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_host::template::{Bindings, Stack};
use sandbox_host::{Host, HostOptions, Issuer, LogLine, Runner};
use serde_json::{Map, Value};

pub const ISSUER: &str = "https://issuer.example";
pub const AUDIENCE: &str = "app";

const PATIENCE: Duration = Duration::from_secs(30);

/// A host, its log and a folder for files that the functions create.
pub struct TestHost {
    pub host: Host,
    pub folder: tempfile::TempDir,
    log: Arc<Mutex<Vec<LogLine>>>,
}

/// Options for the functions of `template`. Each function must name the example function's binary.
pub fn options(template: &str) -> HostOptions {
    options_with(
        template,
        Bindings::new("us-east-1", "000000000000", "test"),
        "http://127.0.0.1:9",
    )
}

pub fn options_with(template: &str, bindings: Bindings, sqs_endpoint: &str) -> HostOptions {
    let stack = Stack::read(template, &bindings).unwrap();
    let runner = Runner::BinDir(examples());
    HostOptions::new(stack, bindings, runner, sqs_endpoint.to_owned(), issuer())
}

pub fn issuer() -> Issuer {
    Issuer::new(ISSUER, AUDIENCE).unwrap()
}

/// A template of one function with the given body of `Properties`.
pub fn one_function(properties: &str) -> String {
    format!(
        "Resources: {{ Echo: {{ Type: AWS::Serverless::Function, Metadata: {{ Binary: echo_function }}, \
         Properties: {{ {properties} }} }} }}"
    )
}

/// The folder in which cargo puts built examples: next to the folder of this test's own executable.
pub fn examples() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples")
}

impl TestHost {
    pub async fn start(mut options: HostOptions) -> Self {
        let log = Arc::new(Mutex::new(Vec::new()));
        let sink = log.clone();
        options.log = Arc::new(move |line| sink.lock().unwrap().push(line));
        let host = Host::start(options).await.unwrap();
        Self {
            host,
            folder: tempfile::tempdir().unwrap(),
            log,
        }
    }

    /// A file in the test's folder, for a function's command.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn log(&self) -> Vec<LogLine> {
        self.log.lock().unwrap().clone()
    }

    /// Ends the host and checks that all its processes have ended.
    pub async fn finish(self) {
        let pids: Vec<u32> = self.host.process_table().iter().map(|span| span.pid).collect();
        patiently("shutdown", self.host.shutdown()).await;
        for pid in pids {
            assert!(!is_running(pid), "process {pid} outlived its host");
        }
    }
}

/// Awaits the future, at most for [`PATIENCE`].
pub async fn patiently<F: Future>(what: &str, future: F) -> F::Output {
    let result = tokio::time::timeout(PATIENCE, future).await;
    result.unwrap_or_else(|_| panic!("{what} took longer than {PATIENCE:?}"))
}

/// Polls until a condition holds.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let look = async {
        let mut looks = tokio::time::interval(Duration::from_millis(2));
        while !condition() {
            looks.tick().await;
        }
    };
    patiently(what, look).await;
}

/// Whether the process exists and is not a zombie.
pub fn is_running(pid: u32) -> bool {
    let status = std::process::Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .output()
        .unwrap();
    let state = String::from_utf8_lossy(&status.stdout);
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

/// A token for `subject`, valid for ten minutes from now.
pub fn token(subject: &str, claims: &Value) -> String {
    let none = Map::new();
    issuer()
        .token(subject, claims.as_object().unwrap_or(&none), 600, now_secs())
        .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "tokens are checked against the real time")]
pub fn now_secs() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
