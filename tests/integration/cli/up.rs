//! `ias up`: the lines it prints, its end, and the data it keeps.

mod origins;
mod pasted;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use sandbox_machine::app::{App, QueryAsk, Reply};
use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};

use super::ias;
use crate::harness::{BOUND, until};

/// A running `ias up`, and its output.
struct Up {
    child: Child,
    stdout: BufReader<ChildStdout>,
    printed: String,
}

impl Up {
    async fn start(args: &[&str]) -> Self {
        let mut child = ias(&[&["up"], args].concat())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the command runs");
        let mut stdout = BufReader::new(child.stdout.take().expect("its output"));
        let mut printed = String::new();
        let reading = async {
            while !printed.contains("Ctrl-C stops everything.") {
                let read = stdout.read_line(&mut printed).await.expect("text");
                assert!(read > 0, "it ended early: {printed}");
            }
        };
        tokio::time::timeout(BOUND, reading).await.expect("it comes up");
        Self { child, stdout, printed }
    }

    fn exported(&self, name: &str) -> &str {
        let start = format!("export {name}=");
        self.printed
            .lines()
            .find_map(|line| line.strip_prefix(&start))
            .expect("an export")
    }

    fn app(&self) -> App {
        App::new(self.exported("API"), self.exported("TOKEN")).expect("an app")
    }

    fn script(&self) -> &str {
        let (_, after) = self
            .printed
            .split_once("Paste these lines one by one, into bash or zsh.")
            .expect("lines to paste");
        after.split_once("Ctrl-C stops everything.").expect("their end").0
    }

    fn children(&self) -> Vec<u32> {
        let parent = self.child.id().expect("it runs");
        let processes = std::fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        processes.filter(|pid| parent_of(*pid) == Some(parent)).collect()
    }

    /// Sends a signal and checks that every process ends.
    async fn stop(mut self, signal: &str) {
        let (pid, children) = (self.child.id().expect("it runs").to_string(), self.children());
        assert!(children.len() >= 10, "one process per function at least");
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .await
                .expect("kill")
                .success()
        );
        let ended = tokio::time::timeout(Duration::from_secs(15), self.child.wait()).await;
        assert_eq!(ended.expect("it ends").expect("a status").code(), Some(0));
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).await.expect("text");
        assert!(rest.contains("Stopping."), "{rest}");
        let left: Vec<u32> = children
            .into_iter()
            .filter(|pid| Path::new(&format!("/proc/{pid}")).exists())
            .collect();
        assert!(left.is_empty(), "left running: {left:?}");
    }
}

/// The parent of a process (field 4 of proc_pid_stat(5); field 2 is in parentheses and can hold any character).
fn parent_of(pid: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

async fn ok(reply: impl Future<Output = Result<Reply, sandbox_machine::app::NoReply>>) -> Reply {
    let reply = reply.await.expect("an answer");
    assert!((200..300).contains(&reply.status), "{} {:?}", reply.status, reply.body);
    reply
}

/// Follows the next action of each reply until there is a record; returns its id and bytes.
async fn follow_what_comes_next(app: &App) -> (String, Vec<u8>) {
    let person = json!({
        "firstName": "Jane", "lastName": "Quill", "dob": "1974-07-19", "genderAtBirth": "F",
        "address": [{ "addressLine1": "77 Birch Ln", "city": "Dayton", "state": "OH", "zip": "45402" }],
        "contact": [{ "phone": "9375550142", "email": "quill@example.test" }],
    });
    let browser = Browser::new().expect("a browser");
    let mut reply = ok(app.identity()).await;
    for _ in 0..20 {
        reply = match reply.text("/next/action").as_str() {
            "give_consent" => app.give_consent().await.expect("an answer"),
            "check_identity" => app.identity().await.expect("an answer"),
            "put_patient" => app.put_patient(&person).await.expect("an answer"),
            "verify_identity" => verify_identity(app, &browser).await,
            "open_challenge" => pull(app, &browser).await,
            "read_record" => {
                let record = ok(app.get(&reply.text("/next/url"))).await;
                return (record.text("/id"), download(app, &record).await);
            }
            other => panic!("{other} leads nowhere: {:?}", reply.body),
        };
    }
    panic!("no record at the end of what comes next: {:?}", reply.body);
}

/// Passes an identity session. Returns the reply with the identity, or the refusal to open a session.
async fn verify_identity(app: &App, browser: &Browser) -> Reply {
    let opened = app.open_identity_session(IDENTITY_RETURN).await.expect("an answer");
    if opened.status != 201 {
        return opened;
    }
    let passed = browser.pass(&opened.text("/sessionUrl")).await;
    passed.expect("the identity page");
    until("the identity is confirmed", async || {
        let identity = ok(app.identity()).await;
        (identity.text("/next/action") != "wait").then_some(identity)
    })
    .await
}

/// Passes a challenge and pulls. Returns the reply with the ended pull, or the refusal to open a challenge.
async fn pull(app: &App, browser: &Browser) -> Reply {
    let opened = app.open_challenge(AAL2_RETURN).await.expect("an answer");
    if opened.status != 201 {
        return opened;
    }
    let passed = browser.pass(&opened.text("/challengeUrl")).await;
    let session = passed.expect("the challenge page").session.expect("a session");
    let ask = QueryAsk::everything(&opened.text("/challengeId"), &session);
    let path = format!("/v1/network-queries/{}", ok(app.start_query(&ask)).await.text("/id"));
    until("the pull has ended", async || {
        let pull = ok(app.get(&path)).await;
        (pull.text("/next/action") != "wait").then_some(pull)
    })
    .await
}

async fn download(app: &App, record: &Reply) -> Vec<u8> {
    let answer = app.follow(&record.text("/link/url")).await.expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    answer.bytes().await.expect("the record").to_vec()
}

/// Records and the stand-in's state survive a restart, so the person's identity stays verified.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn up_with_a_data_folder_keeps_records_and_identities() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let args = ["--data", data.to_str().unwrap()];
    let up = Up::start(&args).await;
    let (id, bytes) = follow_what_comes_next(&up.app()).await;
    up.stop("-TERM").await;

    let up = Up::start(&args).await;
    let app = up.app();
    let records = ok(app.get("/v1/records")).await;
    assert!(
        records.list("/records").iter().any(|record| record["id"] == *id),
        "{:?}",
        records.body
    );
    assert_eq!(
        download(&app, &ok(app.get(&format!("/v1/records/{id}"))).await).await,
        bytes
    );
    let identity = ok(app.identity()).await;
    assert_eq!(identity.text("/status"), "verified");
    assert_eq!(identity.text("/next/action"), "open_challenge");
    let (another, _) = follow_what_comes_next(&app).await;
    assert_ne!(another, id);
    up.stop("-TERM").await;
}
