//! Direct invocations: replies, errors, deadlines, crashes, warm processes, overlap.

use std::collections::BTreeMap;

use sandbox_host::{InitFailure, InvokeError};
use serde_json::{Value, json};

use crate::harness::{TestHost, eventually, one_function, options, patiently};

const ECHO: &str = "echo_function";

fn exited(result: Result<Value, InvokeError>) -> bool {
    matches!(result, Err(InvokeError::Exited { .. }))
}

#[tokio::test]
async fn warm_process_answers_later_invocations() {
    let test = TestHost::start(options(&one_function(""))).await;
    for round in 0..3 {
        let event = json!({ "round": round });
        assert_eq!(test.host.invoke(ECHO, event.clone()).await, Ok(event));
    }
    let table = test.host.process_table();
    assert_eq!(table.len(), 1);
    assert_eq!(table[0].invocations.len(), 3);
    assert!(table[0].invocations.iter().all(|(started, ended)| started <= ended));
    test.finish().await;
}

#[tokio::test]
async fn environment_is_exactly_that_of_lambda_and_the_template() {
    let mut options = options(&one_function(
        "Environment: { Variables: { STAGE: dev, SAME: template } }",
    ));
    options.aws_env = vec![("AWS_ENDPOINT_URL_SQS".to_owned(), "http://127.0.0.1:9".to_owned())];
    options.extra_env = vec![("SAME".to_owned(), "extra".to_owned())];
    let test = TestHost::start(options).await;
    let environment = test.host.invoke(ECHO, json!({ "environment": true })).await.unwrap();
    let environment: BTreeMap<String, String> = serde_json::from_value(environment).unwrap();
    // These variables differ between processes or invocations; `lambda_runtime` itself sets the last one.
    let varying = [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "_X_AMZN_TRACE_ID",
    ];
    assert!(varying.iter().all(|name| environment.contains_key(*name)));
    let environment: Vec<_> = environment
        .into_iter()
        .filter(|(name, _)| !varying.contains(&name.as_str()))
        .collect();
    let expected = [
        ("AWS_ACCESS_KEY_ID", "SANDBOXECHO_FUNCTION"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL_SQS", "http://127.0.0.1:9"),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
        ("AWS_LAMBDA_FUNCTION_NAME", ECHO),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/echo_function"),
        ("AWS_REGION", "us-east-1"),
        ("AWS_SECRET_ACCESS_KEY", "sandbox"),
        ("AWS_SESSION_TOKEN", "sandbox"),
        ("LAMBDA_TASK_ROOT", "/var/task"),
        ("LANG", "en_US.UTF-8"),
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("SAME", "extra"),
        ("STAGE", "dev"),
        ("TZ", ":UTC"),
        ("_HANDLER", "bootstrap"),
    ];
    assert_eq!(
        environment,
        expected.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    test.finish().await;
}

#[tokio::test]
async fn reported_error_keeps_the_process() {
    let test = TestHost::start(options(&one_function(""))).await;
    let failed = test.host.invoke(ECHO, json!({ "fail": true })).await;
    assert!(matches!(failed, Err(InvokeError::Function { .. })), "{failed:?}");
    assert_eq!(test.host.invoke(ECHO, json!({})).await, Ok(json!({})));
    assert_eq!(test.host.process_table().len(), 1);
    test.finish().await;
}

#[tokio::test]
async fn deadline_kills_the_process_and_the_next_one_is_new() {
    let test = TestHost::start(options(&one_function("Timeout: 1"))).await;
    let hung = patiently("the deadline", test.host.invoke(ECHO, json!({ "hang": true }))).await;
    assert_eq!(
        hung,
        Err(InvokeError::TimedOut {
            function: ECHO.to_owned(),
            after_secs: 1
        })
    );
    assert!(!crate::harness::is_running(test.host.process_table()[0].pid));
    assert_eq!(test.host.invoke(ECHO, json!({})).await, Ok(json!({})));
    assert_eq!(test.host.process_table().len(), 2);
    test.finish().await;
}

#[tokio::test]
async fn crash_fails_only_its_own_invocation() {
    let test = TestHost::start(options(&one_function(""))).await;
    let crashed = test.host.invoke(ECHO, json!({ "exit": 3 })).await;
    let expected = InvokeError::Exited {
        function: ECHO.to_owned(),
        status: "exit status: 3".to_owned(),
    };
    assert_eq!(crashed, Err(expected));
    assert_eq!(test.host.invoke(ECHO, json!({})).await, Ok(json!({})));
    test.finish().await;
}

#[tokio::test]
async fn two_invocations_overlap_in_two_processes() {
    let test = TestHost::start(options(&one_function(""))).await;
    let (a, b) = (test.file("a"), test.file("b"));
    // Each invocation waits for the other's file, so both end only if they run at the same time.
    let one = test.host.invoke(ECHO, json!({ "touch": a, "waitFor": b, "reply": 1 }));
    let two = test.host.invoke(ECHO, json!({ "touch": b, "waitFor": a, "reply": 2 }));
    let replies = patiently("both", async { tokio::join!(one, two) }).await;
    assert_eq!(replies, (Ok(json!(1)), Ok(json!(2))));
    let table = test.host.process_table();
    let [first, second] = table.as_slice() else {
        panic!("{table:?}")
    };
    assert_ne!(first.pid, second.pid);
    let ((started, ended), (other_started, other_ended)) = (first.invocations[0], second.invocations[0]);
    assert!(started <= other_ended && other_started <= ended, "{table:?}");
    test.finish().await;
}

#[tokio::test]
async fn invocation_beyond_the_process_limit_waits() {
    let mut options = options(&one_function(""));
    options.processes_max = 1;
    let test = TestHost::start(options).await;
    let gate = test.file("gate");
    let first = test.host.invoke(ECHO, json!({ "waitFor": gate, "reply": "first" }));
    let second = test.host.invoke(ECHO, json!({ "reply": "second" }));
    let opener = async {
        eventually("both in flight", || test.host.in_flight() == 2).await;
        std::fs::write(&gate, "").unwrap();
    };
    let (first, second, ()) = patiently("all", async { tokio::join!(first, second, opener) }).await;
    assert_eq!((first, second), (Ok(json!("first")), Ok(json!("second"))));
    patiently("idle", test.host.idle()).await;
    assert_eq!((test.host.in_flight(), test.host.process_table().len()), (0, 1));
    test.finish().await;
}

#[tokio::test]
async fn killed_processes_fail_their_invocations_and_are_replaced() {
    let test = TestHost::start(options(&one_function(""))).await;
    let started = test.file("started");
    let held = test.host.invoke(ECHO, json!({ "touch": started, "hang": true }));
    let killer = async {
        eventually("the invocation", || started.exists()).await;
        assert!(test.host.kill(ECHO).await);
    };
    let (held, ()) = patiently("the kill", async { tokio::join!(held, killer) }).await;
    assert!(exited(held));
    assert_eq!(test.host.invoke(ECHO, json!({})).await, Ok(json!({})));
    assert!(test.host.kill(ECHO).await);
    assert_eq!(test.host.invoke(ECHO, json!({})).await, Ok(json!({})));
    assert_eq!(test.host.process_table().len(), 3);
    assert!(!test.host.kill("nobody").await);
    test.finish().await;
}

#[tokio::test]
async fn failed_start_is_reported_and_not_retried_at_once() {
    for (init, error_type) in [("exit", "Runtime.ExitError"), ("report", "Config.Missing")] {
        let mut options = options(&one_function(&format!(
            "Environment: {{ Variables: {{ INIT: {init} }} }}"
        )));
        options.prewarm = true;
        let test = TestHost::start(options).await;
        let failure = InitFailure {
            function: ECHO.to_owned(),
            error_type: error_type.to_owned(),
        };
        assert_eq!(test.host.init_failures(), std::slice::from_ref(&failure));
        assert_eq!(test.host.invoke(ECHO, json!({})).await, Err(InvokeError::Init(failure)));
        assert!(test.host.process_table().is_empty());
        assert!(test.log().iter().any(|line| line.text.contains(error_type)));
        test.finish().await;
    }
}

#[tokio::test]
async fn payloads_above_six_megabytes_are_refused() {
    let test = TestHost::start(options(&one_function(""))).await;
    let big = json!({ "text": "a".repeat(6 * 1024 * 1024) });
    let refused = test.host.invoke(ECHO, big).await;
    assert_eq!(
        refused,
        Err(InvokeError::RequestTooLarge {
            function: ECHO.to_owned()
        })
    );
    let fits = test
        .host
        .invoke(ECHO, json!({ "letters": 6 * 1024 * 1024 - 2 }))
        .await
        .unwrap();
    assert_eq!(fits.as_str().map(str::len), Some(6 * 1024 * 1024 - 2));
    let too_large = patiently(
        "the reply",
        test.host.invoke(ECHO, json!({ "letters": 6 * 1024 * 1024 })),
    )
    .await;
    assert_eq!(
        too_large,
        Err(InvokeError::ResponseTooLarge {
            function: ECHO.to_owned()
        })
    );
    test.finish().await;
}

#[tokio::test]
async fn unknown_function_is_an_error() {
    let test = TestHost::start(options(&one_function(""))).await;
    let unknown = test.host.invoke("nobody", json!({})).await;
    assert_eq!(
        unknown,
        Err(InvokeError::UnknownFunction {
            function: "nobody".to_owned()
        })
    );
    test.finish().await;
}

#[tokio::test]
async fn output_is_captured_line_by_line() {
    let test = TestHost::start(options(&one_function(""))).await;
    test.host.invoke(ECHO, json!({})).await.unwrap();
    let invoked = "invoked arn:aws:lambda:us-east-1:000000000000:function:echo_function";
    eventually("the log", || test.log().iter().any(|line| line.text == invoked)).await;
    let pid = test.host.process_table()[0].pid;
    assert!(test.log().iter().all(|line| line.function == ECHO && line.pid == pid));
    assert_eq!(test.log()[0].text, "initialised");
    test.finish().await;
}
