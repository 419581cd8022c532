//! `proofs withdraw` at a few points.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Longest duration of the command.
const BOUND: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawal_at_points_of_a_pull_leaves_nothing_open() {
    run_points(&["withdraw", "--every", "40", "--at-once", "2"]).await;
}

/// Runs a command that visits points, and checks its sums.
pub async fn run_points(arguments: &[&str]) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofs"));
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let ended = tokio::time::timeout(BOUND, command.output()).await;
    let ended = ended.expect("the command ends in time").expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success(), "{output}");
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let last = words(output.lines().find(|line| line.contains(" breaches")).expect("the sum"));
    let [points, _, acts, _, breaches, _] = last.as_slice() else {
        panic!("{output}");
    };
    let [points, acts] = [points, acts].map(|number| number.parse::<u32>().expect("a number"));
    assert!(points >= 3 && acts >= 2 && breaches == "0", "{output}");
}
