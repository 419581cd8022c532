//! `proofs trial`, with smaller floods.

use std::path::PathBuf;

use proofs::trial::{Finding, TrialOptions, trial};
use sandbox_host::Runner;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_finding_of_the_security_trial_is_refused() {
    let (exe, args) = (PathBuf::from(env!("CARGO_BIN_EXE_proofs")), vec!["function".to_owned()]);
    let options = TrialOptions {
        requests: 100,
        links: 3,
    };
    let findings = trial(Runner::SelfExec { exe, args }, options).await.expect("a trial");
    let lines: Vec<String> = findings.iter().map(Finding::line).collect();
    assert_eq!(findings.len(), 7);
    assert!(findings.iter().all(|finding| finding.refused), "\n{}", lines.join("\n"));
}
