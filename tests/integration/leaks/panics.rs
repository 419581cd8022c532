//! A panic's message can quote personal data, so the functions log only the panic's place.

use std::panic::catch_unwind;
use std::process::Command;

use serde_json::{Value, json};
use shared::config::Env;

use super::canaries::{Canaries, SUBJECT, demographics};
use crate::harness::TestApp;

const MESSAGE: &str = "CanaryPanicMessage";
const CHILD: &str = "leaks::panics::child_process_panics_in_several_ways";

/// Panics in several ways, under the functions' panic hook. The next test runs this test in a separate process.
#[test]
#[ignore = "run by the test beside it, in a process of its own"]
fn child_process_panics_in_several_ways() {
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
fn panic_logs_its_place_and_not_its_message() {
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

/// The events have invalid Base64, or values from which no URL can be built. A client can choose some of these values.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_event_is_refused_without_panic_or_leak() {
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
        ("account", "PUT /v1/me/consent"),
    ];
    for (function, route) in functions {
        for (place, value) in odd_places() {
            let mut event = event(route);
            *event.pointer_mut(place).expect("a place of the event") = value.clone();
            let reply = app.sandbox().host().invoke(function, event).await;
            let status = reply.as_ref().ok().and_then(|reply| reply["statusCode"].as_u64());
            assert!(
                status.is_some_and(|status| (400..500).contains(&status)),
                "{function} {place} {value}: {reply:?}"
            );
        }
    }
    let log = app.log();
    assert!(!log.iter().any(|line| line.contains("panicked")), "{log:?}");
    canaries.assert_absent("the log", &log);
    app.end().await;
}

/// Odd values, and their places in an event. The functions refuse the event even without them: as `invalid_request`, or
/// as unsigned.
fn odd_places() -> [(&'static str, Value); 9] {
    [
        ("/headers/host", json!("a b")),
        ("/headers/host", json!("[::1")),
        ("/headers/x-forwarded-proto", json!("ht tp")),
        ("/headers/x-forwarded-proto", json!("")),
        ("/rawPath", json!("a b")),
        ("/rawQueryString", json!("name=Canarina é\u{7f}")),
        ("/requestContext/domainName", json!("a b")),
        ("/cookies", json!(["a\nb"])),
        ("/isBase64Encoded", json!(true)),
    ]
}

/// Claims of a token that every function accepts.
fn claims() -> Value {
    let signed_in = (shared::clock::now().millis() / 1000).to_string();
    json!({ "iss": "i", "sub": SUBJECT, "scope": "records", "amr": "[mfa]", "auth_time": signed_in })
}

fn event(route: &str) -> Value {
    let (method, path) = route.split_once(' ').unwrap();
    json!({
        "version": "2.0", "routeKey": route, "rawPath": path, "rawQueryString": "name=Canarina", "cookies": ["a=1"],
        "headers": {
            "content-type": "application/json", "x-aal2-session": "aal2_CanarySession", "host": "api.example.test",
            "x-forwarded-proto": "https",
        },
        "requestContext": {
            "accountId": "000000000000", "apiId": "a", "domainName": "d", "requestId": "r", "routeKey": route,
            "stage": "$default", "timeEpoch": 0,
            "http": { "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "u" },
            "authorizer": { "jwt": { "claims": claims(), "scopes": null } },
        },
        "body": json!({ "unknownField": demographics() }).to_string(), "isBase64Encoded": false,
    })
}
