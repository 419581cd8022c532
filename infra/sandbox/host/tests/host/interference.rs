//! Deliberately killed processes: the results for callers, and a host that survives every kill.

use std::sync::Arc;
use std::time::Duration;

use sandbox_host::{Host, Interference, Invocation, InvokeError, Killer};
use serde_json::{Value, json};

use crate::harness::{TestHost, eventually, one_function, options, patiently};

const ECHO: &str = "echo_function";

/// A host that interferes only with the first invocation.
async fn interfered(first: Interference) -> TestHost {
    let mut options = options(&one_function(""));
    options.interference = Some(Arc::new(move |invocation: &Invocation| {
        assert_eq!(invocation.function, ECHO);
        match invocation.ordinal {
            1 => first,
            _ => Interference::Go,
        }
    }));
    TestHost::start(options).await
}

fn exited(result: &Result<Value, InvokeError>) -> bool {
    matches!(result, Err(InvokeError::Exited { .. }))
}

#[tokio::test]
async fn kill_before_an_invocation_prevents_its_effect() {
    let test = interfered(Interference::KillBefore).await;
    let effect = test.file("done");
    assert!(exited(&test.host.invoke(ECHO, json!({ "touch": effect })).await));
    assert!(!effect.exists());
    assert_eq!(test.host.invoke(ECHO, json!({ "a": 1 })).await, Ok(json!({ "a": 1 })));
    assert_eq!(test.host.interference_counts(), [("killed_before", 1)].into());
    let counts = test.host.process_counts()[ECHO];
    assert_eq!((counts.running, counts.spawned, counts.killed), (1, 2, 1));
    test.finish().await;
}

#[tokio::test]
async fn kill_after_an_invocation_keeps_its_effect_and_fails_it() {
    let test = interfered(Interference::KillAfter).await;
    let effect = test.file("done");
    assert!(exited(&test.host.invoke(ECHO, json!({ "touch": effect })).await));
    assert!(effect.exists());
    assert_eq!(test.host.invoke(ECHO, json!({ "a": 1 })).await, Ok(json!({ "a": 1 })));
    assert_eq!(test.host.interference_counts(), [("killed_after", 1)].into());
    let counts = test.host.process_counts()[ECHO];
    assert_eq!((counts.running, counts.spawned, counts.killed), (1, 2, 1));
    test.finish().await;
}

#[tokio::test]
async fn kill_fails_every_invocation_in_flight() {
    let test = TestHost::start(options(&one_function("Timeout: 60"))).await;
    for round in 0..8 {
        let started: Vec<_> = (0..4).map(|index| test.file(&format!("{round}-{index}"))).collect();
        let invoke = |path: &std::path::PathBuf| test.host.invoke(ECHO, json!({ "touch": path, "hang": true }));
        let [a, b, c, d] = [0, 1, 2, 3].map(|index| invoke(&started[index]));
        let kill = async {
            eventually("four invocations", || started.iter().all(|file| file.exists())).await;
            test.host.kill(ECHO).await
        };
        let (killed, a, b, c, d) = patiently("the round", async { tokio::join!(kill, a, b, c, d) }).await;
        assert!(killed && [a, b, c, d].iter().all(exited));
    }
    let counts = test.host.process_counts()[ECHO];
    assert_eq!((counts.running, counts.spawned, counts.killed), (0, 32, 32));
    assert!(test.host.init_failures().is_empty());
    assert_eq!(test.host.invoke(ECHO, json!({ "a": 1 })).await, Ok(json!({ "a": 1 })));
    test.finish().await;
}

/// Kills hit processes in any state: starting, waiting, working and replying.
#[tokio::test]
async fn kills_at_any_moment_never_block_the_host() {
    let test = TestHost::start(options(&one_function("Timeout: 60"))).await;
    let mut replied = 0;
    for round in 0..40 {
        let invoke = || test.host.invoke(ECHO, json!({ "round": round }));
        let kill = async {
            let mut moments = tokio::time::interval(Duration::from_millis(1));
            for _ in 0..round {
                moments.tick().await;
            }
            test.host.kill(ECHO).await
        };
        let all = async { tokio::join!(invoke(), kill, invoke(), invoke(), invoke(), invoke()) };
        let (a, _, b, c, d, e) = patiently("the round", all).await;
        for result in [a, b, c, d, e] {
            assert!(exited(&result) || result == Ok(json!({ "round": round })), "{result:?}");
            replied += usize::from(result.is_ok());
        }
    }
    patiently("idle", test.host.idle()).await;
    assert_eq!(test.host.in_flight(), 0);
    assert!(test.host.init_failures().is_empty());
    let counts = test.host.process_counts()[ECHO];
    assert!(
        counts.running <= 4 && counts.killed > 0 && counts.spawned >= counts.killed,
        "{counts:?}"
    );
    assert!(replied > 0);
    assert_eq!(test.host.invoke(ECHO, json!({ "a": 1 })).await, Ok(json!({ "a": 1 })));
    test.finish().await;
}

/// The host repeats a killed start at once, and does not count it as the function's failure.
#[tokio::test]
async fn process_can_be_killed_while_it_starts() {
    let mut options = options(&one_function("Environment: { Variables: { INIT: hang } }"));
    let killer = Killer::default();
    options.killer = killer.clone();
    assert!(!killer.kill(ECHO).await);
    let test = TestHost::start(options).await;
    assert!(!killer.kill("nobody").await);
    let kill = async {
        for _ in 0..3 {
            eventually("a start", || test.host.process_counts()[ECHO].running == 1).await;
            assert!(killer.kill(ECHO).await);
        }
    };
    let (result, ()) = patiently("three kills", async {
        tokio::join!(test.host.invoke(ECHO, json!({})), kill)
    })
    .await;
    assert!(exited(&result), "{result:?}");
    assert!(test.host.init_failures().is_empty());
    let counts = test.host.process_counts()[ECHO];
    assert_eq!((counts.running, counts.spawned, counts.killed), (0, 3, 3));
    test.finish().await;
    assert!(!killer.kill(ECHO).await);
}

#[tokio::test]
async fn shutdown_does_not_count_as_a_kill() {
    let mut options = options(&one_function(""));
    options.prewarm = true;
    let host = Host::start(options).await.unwrap();
    let counts = host.process_counts()[ECHO];
    assert_eq!((counts.running, counts.spawned, counts.killed), (1, 1, 0));
    patiently("shutdown", host.shutdown()).await;
}
