//! `proofs burst --noisy 1` at a lower rate, because a debug build serves less.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use proofs::burst::{NoisyOptions, noisy};
use sandbox_host::Runner;
use sandbox_machine::pace::{followed, stretched};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn noisy_person_does_not_delay_other_persons() {
    const PEOPLE: usize = 6;
    let (exe, args) = (PathBuf::from(env!("CARGO_BIN_EXE_proofs")), vec!["function".to_owned()]);
    let options = NoisyOptions {
        people: PEOPLE,
        secs: 45,
        throttle_percent: 16,
        // At a lower scale, the pauses before the rounds alone would take most of a minute.
        time_scale: followed(8).max(6),
        seed: 1,
        person_shares: true,
        // With so few persons the slowest one decides the p95, and a busy machine may delay any of them.
        slack: stretched(Duration::from_secs(2)),
    };
    let report = noisy(Runner::SelfExec { exe, args }, options, Arc::new(|_| {}))
        .await
        .expect("both rounds");
    assert!(report.breaches.is_empty(), "{report:#?}");
    assert_eq!((report.quiet.read, report.noisy.read), (PEOPLE, PEOPLE));
    // The noisy person sent equally many requests in both rounds, and some were served like other persons' requests.
    assert_eq!(report.noisy.noise.sent, report.quiet.noise.sent);
    assert!(
        report.noisy.noise.served.contains_key("POST /v1/records"),
        "{report:#?}"
    );
}
