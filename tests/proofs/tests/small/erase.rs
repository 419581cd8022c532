//! `proofs erase` at a few points.

use crate::withdraw::run_points;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasure_at_points_of_a_pull_leaves_nothing() {
    run_points(&["erase", "--every", "40", "--at-once", "2"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn erasure_with_killed_processes_leaves_nothing() {
    run_points(&["erase", "--kills", "--every", "30", "--at-once", "2"]).await;
}
