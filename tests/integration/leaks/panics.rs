//! A panic's message may quote the data it choked on: what is written down says where, not what.

use std::panic::catch_unwind;
use std::process::Command;

use sandbox_host::InvokeError;
use serde_json::{Value, json};
use shared::config::Env;

use super::canaries::{Canaries, SUBJECT, demographics};
use crate::harness::TestApp;

const MESSAGE: &str = "CanaryPanicMessage";
const CHILD: &str = "leaks::panics::a_child_that_panics";

/// Panics in every way there is, under the hook of the functions. Run by the next test, in a process of its own.
#[test]
#[ignore = "run by the test beside it, in a process of its own"]
fn a_child_that_panics() {
    shared::telemetry::init(&Env::from_pairs([("LOG_LEVEL", "trace")]), "integration");
    let quoting = || std::panic::panic_any(format!("{MESSAGE} {}", demographics()));
    assert!(catch_unwind(quoting).is_err());
    assert!(catch_unwind(|| panic!("{MESSAGE}")).is_err());
    assert!(catch_unwind(|| "no number".parse::<u8>().expect(MESSAGE)).is_err());
    assert!(catch_unwind(|| assert_eq!(demographics(), json!({ "of": MESSAGE }))).is_err());
    assert!(std::thread::spawn(|| panic!("{MESSAGE}")).join().is_err());
    drop(std::panic::take_hook());
}

#[test]
fn a_panic_says_where_and_not_what() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args([CHILD, "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .env("RUST_BACKTRACE", "full")
        .output()
        .unwrap();
    let streams = [child.stdout, child.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(child.status.success(), "{streams:?}");
    let panics = streams[0].lines().filter(|line| line.contains("\"panicked\"")).count();
    assert_eq!(panics, 5, "{streams:?}");
    assert!(
        streams[0].contains("panics.rs:"),
        "a panic says where it was: {streams:?}"
    );
    let mut canaries = Canaries::of_the_person();
    canaries.add("message", MESSAGE);
    canaries.assert_absent("the output of a process that panicked", &streams);
}

/// Panics inside the real functions: `lambda_http` does on a body that is not the base64 it says it is. API Gateway
/// sends none, so the events are made by hand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_panics_says_nothing_of_its_event() {
    let app = TestApp::with(|options| {
        let finest = ("LOG_LEVEL".to_owned(), "trace".to_owned());
        options.extra_env.push(finest);
    })
    .await;
    let mut canaries = Canaries::of_the_person();
    canaries.add("subject", SUBJECT);
    canaries.add("AAL2 session", "aal2_CanarySession");
    let functions = [
        ("identity-session", "PUT /v1/patient"),
        ("webhook-intake", "POST /v1/webhooks/metriport"),
        ("aal2-challenge", "POST /v1/aal2-challenges"),
        ("network-query", "POST /v1/network-queries"),
        ("record-read", "POST /v1/records"),
    ];
    for (function, route) in functions {
        let failed = app.sandbox().host().invoke(function, event(route)).await;
        assert!(
            matches!(failed, Err(InvokeError::Function { .. })),
            "{function}: {failed:?}"
        );
    }
    let log = crate::harness::until("every panic is logged", async || {
        let log = app.log();
        let panicked = |function: &str| {
            log.iter()
                .any(|line| line.starts_with(function) && line.contains("\"message\":\"panicked\""))
        };
        functions
            .iter()
            .all(|(function, _)| panicked(function))
            .then_some(log.clone())
    })
    .await;
    canaries.assert_absent("the log", &log);
    // A panic ends an invocation, and nothing else.
    let nora = app.person("nora", "Jane");
    assert_eq!(nora.link().await.status, 200);
    app.end().await;
}

fn event(route: &str) -> Value {
    let (method, path) = route.split_once(' ').unwrap();
    json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "name=Canarina",
        "headers": { "content-type": "application/json", "x-aal2-session": "aal2_CanarySession" },
        "requestContext": {
            "accountId": "000000000000", "apiId": "a", "domainName": "d", "requestId": "r", "routeKey": route,
            "stage": "$default", "timeEpoch": 0,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "u" },
            "authorizer": { "jwt": { "claims": { "iss": "i", "sub": SUBJECT }, "scopes": null } },
        },
        "body": demographics().to_string(), "isBase64Encoded": true,
    })
}
