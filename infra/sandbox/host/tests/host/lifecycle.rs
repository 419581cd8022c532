//! The start and the end of a host: unusable options fail the start, and processes never outlive the host.

use std::process::Stdio;

use sandbox_host::{Host, InvokeError, Issuer, Runner, StartError};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{TestHost, eventually, examples, is_running, one_function, options, patiently};

const ECHO: &str = "echo_function";

#[tokio::test]
async fn prewarm_starts_one_process_per_function() {
    let mut options = options(&one_function(""));
    options.prewarm = true;
    let test = TestHost::start(options).await;
    assert_eq!(test.host.process_table().len(), 1);
    test.host.invoke(ECHO, json!({})).await.unwrap();
    assert_eq!(test.host.process_table().len(), 1);
    test.finish().await;
}

#[tokio::test]
async fn kill_ends_a_running_invocation_before_shutdown() {
    let test = TestHost::start(options(&one_function("Timeout: 60"))).await;
    let started = test.file("started");
    let TestHost { host, folder, .. } = test;
    let host = std::sync::Arc::new(host);
    let held = tokio::spawn({
        let (host, command) = (host.clone(), json!({ "touch": started, "hang": true }));
        async move { host.invoke(ECHO, command).await }
    });
    eventually("the invocation", || started.exists()).await;
    let pid = host.process_table().iter().map(|span| span.pid).next();
    assert!(host.kill(ECHO).await);
    let ended = patiently("the invocation", held).await.unwrap();
    assert!(matches!(ended, Err(InvokeError::Exited { .. })), "{ended:?}");
    patiently("shutdown", std::sync::Arc::into_inner(host).unwrap().shutdown()).await;
    assert!(!is_running(pid.unwrap()));
    drop(folder);
}

#[tokio::test]
async fn dropping_the_host_ends_its_processes() {
    let mut options = options(&one_function(""));
    options.prewarm = true;
    let host = Host::start(options).await.unwrap();
    let pid = host.process_table()[0].pid;
    assert!(is_running(pid));
    drop(host);
    eventually("the process's end", || !is_running(pid)).await;
}

/// A killed host cannot clean up. The function's process ends nevertheless, because it has lost its Runtime API.
#[tokio::test]
async fn function_process_ends_after_its_host_is_killed() {
    let mut host = tokio::process::Command::new(examples().join("idle_host"))
        .arg(examples())
        .arg(ECHO)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(host.stdout.take().unwrap()).lines();
    let line = patiently("the host", lines.next_line()).await.unwrap().unwrap();
    let pids: Vec<u32> = serde_json::from_str(&line).unwrap();
    assert_eq!(pids.len(), 1);
    assert!(is_running(pids[0]));
    host.kill().await.unwrap();
    eventually("the process's end", || !is_running(pids[0])).await;
}

#[tokio::test]
async fn host_with_unusable_options_fails_to_start() {
    let mut missing = options(&one_function(""));
    missing.runner = Runner::BinDir("/nonexistent".into());
    assert!(matches!(
        Host::start(missing).await.err(),
        Some(StartError::Program { .. })
    ));

    let mut unresolved = options(&one_function("Environment: { Variables: { TABLE: !Ref Table } }"));
    unresolved.port = 0;
    assert!(matches!(
        Host::start(unresolved).await.err(),
        Some(StartError::Template(_))
    ));

    let source = "Events: { Jobs: { Type: SQS, Properties: { Queue: !GetAtt Jobs.Arn } } }";
    let queue = Host::start(options(&one_function(source))).await.err();
    assert!(matches!(queue, Some(StartError::UnknownQueue { attribute: "Ref", .. })));

    let api = "Resources: { Api: { Type: AWS::Serverless::HttpApi, Properties: { Auth: { Authorizers: { A: \
               { JwtConfiguration: { issuer: https://issuer.example, audience: [app] } } } } } } }";
    let mut mismatch = options(api);
    mismatch.issuer = Issuer::new("https://other.example", "app").unwrap();
    assert!(matches!(
        Host::start(mismatch).await.err(),
        Some(StartError::IssuerMismatch { .. })
    ));
}

#[tokio::test]
async fn one_executable_can_hold_every_function() {
    let mut options = options(&one_function(""));
    options.runner = Runner::SelfExec {
        exe: examples().join("echo_function"),
        args: vec!["run".to_owned()],
    };
    let test = TestHost::start(options).await;
    assert_eq!(test.host.invoke(ECHO, json!({ "a": 1 })).await, Ok(json!({ "a": 1 })));
    test.finish().await;
}
