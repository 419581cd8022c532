//! Runs `proofs burst` in a small size. If it fails, the test shows the functions' warnings.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use proofs::burst::{BurstOptions, burst};
use sandbox_host::{LogSink, Runner};
use sandbox_machine::pace::followed;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn burst_stays_below_the_limits_and_every_pull_completes() {
    // More than the slots in one session's life, but not more than a busy machine serves within it.
    const PEOPLE: u32 = 40;
    let (exe, args) = (PathBuf::from(env!("CARGO_BIN_EXE_proofs")), vec!["function".to_owned()]);
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let options = BurstOptions {
        people: PEOPLE as usize,
        query_limit: 6,
        // At a higher scale, one session's life would be too short for all persons even on a quiet machine.
        time_scale: followed(10),
    };
    let lines: LogSink = Arc::new(move |line| sink.lock().unwrap().push(format!("{}: {}", line.function, line.text)));
    let report = burst(Runner::SelfExec { exe, args }, options, lines)
        .await
        .expect("a burst");
    let warnings: Vec<_> = log
        .lock()
        .unwrap()
        .iter()
        .filter(|line| line.contains("WARN"))
        .cloned()
        .collect();
    assert!(report.breaches.is_empty(), "{report:?}\n{}", warnings.join("\n"));
    let (accepted, refused) = report.rounds.iter().fold((0, 0), |(accepted, refused), round| {
        (accepted + round.completed, refused + round.refused)
    });
    assert_eq!(
        (accepted, report.starts, report.limited),
        (PEOPLE as usize, u64::from(PEOPLE), 0),
        "{report:?}"
    );
    assert!(
        refused >= 1 && report.rounds.len() >= 2,
        "no person was refused: {report:?}"
    );
}
