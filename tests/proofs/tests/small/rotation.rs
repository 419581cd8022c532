//! `proofs rotation`.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

/// Longest duration of the command, which waits for the life of the previous key.
const BOUND: Duration = Duration::from_secs(240);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_rotation_under_load_loses_neither_webhook_nor_pull() {
    let small = [
        "--pulls",
        "4",
        "--rotations",
        "1",
        "--window-mins",
        "3",
        "--scale",
        "30",
        "--at-once",
        "4",
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_proofs"));
    command
        .arg("rotation")
        .args(small)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let ended = tokio::time::timeout(BOUND, command.output()).await;
    let ended = ended.expect("the command ends in time").expect("the command runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let output = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success(), "{output}");
    let count = |line: &str| {
        let found = output.lines().find_map(|found| found.trim().strip_prefix(line));
        found
            .and_then(|rest| rest.trim().parse::<u32>().ok())
            .unwrap_or_else(|| panic!("no `{line}` in:\n{output}"))
    };
    let refused = count("webhooks refused at least once");
    assert!(refused > 0 && refused == count("recovered by replay"), "{output}");
    assert_eq!((count("lost"), count("deliveries Metriport keeps as failed")), (0, 0));
    assert!(
        output.contains("accepted") && output.contains("refused 16 of 16 times"),
        "{output}"
    );
}
