//! The search finds a leak in a line that the test writes, and in a real function's output.

use serde_json::json;

use super::canaries::{Canaries, SUBJECT};
use crate::harness::{TestApp, until};

#[test]
fn every_canary_in_a_line_is_found() {
    let mut canaries = Canaries::of_the_person();
    canaries.add("subject", SUBJECT);
    let harmless =
        "identity-session: {\"level\":\"INFO\",\"message\":\"request refused\",\"code\":\"invalid_request\"}";
    assert_eq!(canaries.find(&[harmless.to_owned()]), None);
    for (name, value) in &canaries.0 {
        for line in [
            format!("identity-session: {{\"level\":\"WARN\",\"context\":\"did not like {value}!\"}}"),
            format!("network-query: {{\"PullsStarted\":1,\"Stage\":\"{value}\",\"_aws\":{{}}}}"),
        ] {
            let lines = [harmless.to_owned(), line.clone()];
            let found = canaries.find(&lines);
            assert!(found.is_some_and(|(_, text)| text == line), "{name} is not found");
        }
    }
}

/// The deployment leaks on purpose: its stage is a canary, and every metric contains the stage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leak_of_a_running_function_is_found() {
    let mut canaries = Canaries(Vec::new());
    canaries.add("leaking stage", "canary-stage");
    let app = TestApp::with(|options| {
        let leak = ("STAGE".to_owned(), "canary-stage".to_owned());
        options.extra_env.push(leak);
    })
    .await;
    let ping = json!({ "ping": "p", "meta": { "type": "ping" } });
    assert_eq!(app.send_signed(&ping).await, 200);
    let log = until("a function has logged a metric", async || {
        let log = app.log();
        log.iter().any(|line| line.contains("_aws")).then_some(log)
    })
    .await;
    let leaks = || canaries.assert_absent("the log", &log);
    let detected = std::panic::catch_unwind(std::panic::AssertUnwindSafe(leaks));
    assert!(detected.is_err(), "a line that leaks went unnoticed: {log:?}");
    app.end().await;
}
