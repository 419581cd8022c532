//! The lines that `ias up` prints, pasted into a shell.

use std::process::{Output, Stdio};

use sandbox_machine::browser::Browser;
use sandbox_machine::sandbox::IDENTITY_RETURN;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};

use super::Up;
use crate::cli::{resources, skip, text};
use crate::harness::BOUND;

async fn is_there(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().await;
    found.is_ok_and(|found| found.status.success())
}

async fn run(up: &Up, shell: &[&str], folder: &TempDir) -> Output {
    let (program, options) = shell.split_first().expect("a program");
    let mut command = Command::new(program);
    command.args(options).arg(up.script()).current_dir(folder.path());
    let ran = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let ran = tokio::time::timeout(BOUND, ran).await.expect("the lines end");
    ran.expect("the shell runs")
}

/// Shells, each with the options of the `ias up` whose lines it runs. zsh is interactive here: an interactive zsh does
/// not understand comments, and the lines must work there too.
const SHELLS: [(&[&str], &[&str]); 2] = [
    (&["bash", "-c"], &["--bind-demographics"]),
    (&["zsh", "-f", "-i", "-c"], &[]),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn printed_lines_of_up_pull_a_record() {
    if !is_there("curl").await {
        skip("the printed lines need curl, which is not installed");
        return;
    }
    for (shell, options) in SHELLS {
        if !is_there(shell[0]).await {
            skip("the printed lines are for this shell too, which is not installed");
            continue;
        }
        let up = Up::start(options).await;
        let folder = tempfile::tempdir().expect("a folder");
        let pasted = run(&up, shell, &folder).await;
        let output = format!("{}{}", text(&pasted.stdout), text(&pasted.stderr));
        assert!(pasted.status.success(), "{output}");
        assert!(
            output.contains(&format!("sent back to {IDENTITY_RETURN}")) && output.contains("record.json"),
            "{output}"
        );
        assert!(
            !output.contains("not found") && !output.contains("parse error"),
            "{output}"
        );
        assert!(!resources(&folder.path().join("record.json")).is_empty());
        let (_, another) = output.split_once("Another person").expect("another person");
        assert!(another.contains(r#""status":"not_started""#), "{output}");
        assert!(shown_as_given_up(&up).await.contains("webhook-events: none"));
        up.stop("-INT").await;
    }
}

/// The output of the printed command that lists dead letters. It runs this binary.
async fn shown_as_given_up(up: &Up) -> String {
    let mut lines = up.printed.lines().map(str::trim);
    let command = lines
        .find_map(|line| line.strip_prefix("Dead letters "))
        .expect("a command");
    let command = command.replace("cargo run --", env!("CARGO_BIN_EXE_ias"));
    let shown = Command::new("bash")
        .args(["-c", &command])
        .output()
        .await
        .expect("bash runs");
    format!("{}{}", text(&shown.stdout), text(&shown.stderr))
}

async fn page(lines: &mut Lines<BufReader<ChildStdout>>) -> String {
    loop {
        let line = lines.next_line().await.expect("text").expect("a line with a page");
        if line.starts_with("http://") {
            return line;
        }
    }
}

/// With `--pages`, a person opens the hosted pages, and pastes the address to which the last page leads.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn printed_lines_of_up_with_pages_pull_a_record() {
    if !is_there("curl").await {
        skip("the printed lines need curl, which is not installed");
        return;
    }
    let up = Up::start(&["--pages"]).await;
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("bash");
    command.args(["-c", up.script()]).current_dir(folder.path());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut shell = command.spawn().expect("bash runs");
    let mut lines = BufReader::new(shell.stdout.take().expect("its output")).lines();
    let mut keyboard = shell.stdin.take().expect("its input");
    let browser = Browser::new().expect("a browser");
    let pasting = async {
        let identity = page(&mut lines).await;
        browser.pass(&identity).await.expect("the identity page");
        let challenge = page(&mut lines).await;
        let back = browser.pass(&challenge).await.expect("the challenge page");
        let (session, status) = (back.session.expect("a session"), back.status.expect("a status"));
        let address = format!("{}?aal2SessionId={session}&status={status}\n", back.page);
        keyboard.write_all(address.as_bytes()).await.expect("it reads");
        while lines.next_line().await.expect("text").is_some() {}
        shell.wait().await.expect("a status")
    };
    let ended = tokio::time::timeout(BOUND, pasting).await.expect("the lines end");
    assert!(ended.success(), "{ended}");
    assert!(!resources(&folder.path().join("record.json")).is_empty());
    up.stop("-INT").await;
}
