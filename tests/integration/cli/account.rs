//! `ias account` and `ias smoke`, as an operator types them: from a new deployment to the rotation of its keys.

mod first_deployment;
mod hold;
mod keys;
mod quarantine;
mod release;
mod seal_key;
mod touched;

use std::process::Stdio;

use sandbox_host::IssuerServer;
use sandbox_machine::SandboxOptions;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::front::{self, Mappings};
use super::{ias, text};
use crate::harness::{BOUND, TestApp};

/// `ias account store-api-key`, with the key on standard input.
const STORE_API_KEY: [&str; 4] = ["account", "store-api-key", "--api-key-file", "-"];

/// A command's exit code, and its output on both streams.
struct Ended {
    code: Option<i32>,
    output: String,
}

/// The operator of a deployment: their shell's variables, and the secrets that no command may print.
struct Operator {
    variables: Vec<(String, String)>,
    secrets: Vec<String>,
}

impl Operator {
    fn of(app: &TestApp) -> Self {
        let mut variables = app.sandbox().aws().env();
        variables.push(("AWS_ACCESS_KEY_ID".to_owned(), "OPERATOR".to_owned()));
        variables.push(("METRIPORT_BASE_URL".to_owned(), app.stand_in().base_url().to_owned()));
        let secrets = vec![app.stand_in().api_key().to_owned(), app.stand_in().webhook_key()];
        Self { variables, secrets }
    }

    async fn types(&self, args: &[&str]) -> Ended {
        self.types_with(args, &[], "").await
    }

    /// Runs a command with further variables and a text on its standard input.
    async fn types_with(&self, args: &[&str], variables: &[(&str, &str)], stdin: &str) -> Ended {
        let mut command = ias(args);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.envs(variables.iter().copied()).stdin(Stdio::piped());
        let mut child = command.spawn().expect("the command runs");
        let mut input = child.stdin.take().expect("its input");
        input.write_all(stdin.as_bytes()).await.expect("it reads");
        drop(input);
        let ended = tokio::time::timeout(BOUND, child.wait_with_output()).await;
        let ended = ended.expect("the command ends").expect("a status");
        let output = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
        for secret in &self.secrets {
            assert!(!output.contains(secret.as_str()), "a secret is shown by {args:?}");
        }
        Ended {
            code: ended.status.code(),
            output,
        }
    }
}

impl Ended {
    #[track_caller]
    fn well(self, expected: &[&str]) -> String {
        assert_eq!(self.code, Some(0), "{}", self.output);
        for part in expected {
            assert!(self.output.contains(part), "{part} is missing in:\n{}", self.output);
        }
        self.output
    }

    #[track_caller]
    fn badly(self, expected: &[&str]) -> String {
        assert_eq!(self.code, Some(1), "{}", self.output);
        for part in expected {
            assert!(self.output.contains(part), "{part} is missing in:\n{}", self.output);
        }
        self.output
    }
}

fn fresh(options: &mut SandboxOptions) {
    options.set_up = false;
    // Hosted pages pass at once, because a second command does not have the authenticator key of the first.
    options.stand_in.auto_approve = true;
    // The functions read a secret again after 1.5 s instead of 30 s.
    options.time_scale = 20;
}

fn webhook_url(app: &TestApp) -> String {
    format!("{}/v1/webhooks/metriport", app.sandbox().host().base_url())
}

/// API Gateway silently leaves routes out if it cannot read the issuer. A route without its authorizer is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_or_open_routes_are_reported() {
    let app = TestApp::start().await;
    let operator = Operator::of(&app);
    let missing = Mappings {
        missing: &["/v1/patient", "/v1/records"],
        unguarded: &["/v1/identity-sessions"],
        ..Mappings::default()
    };
    let api = front::serve(app.sandbox().host().base_url(), missing).await;
    let problems = [
        "PUT /v1/patient is missing",
        "GET /v1/records is missing",
        "POST /v1/identity-sessions requires no token",
        "ias account check-issuer",
    ];
    let looked = operator
        .types(&["account", "status", "--api", &api])
        .await
        .badly(&problems);
    assert!(!looked.contains("GET /v1/identity "), "{looked}");
    let smoke = ["smoke", "--api", &api, "--play-pages", "--token-file", "-"];
    operator
        .types_with(&smoke, &[], "no token is sent")
        .await
        .badly(&problems);
    app.end().await;
}

/// The mappings are those of infra/domain.yaml with the parameter WebhookSegment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_under_a_secret_segment_is_registered_and_not_shown() {
    const SEGMENT: &str = "/8f14e45fceea167a5a36dedd4bea2543";
    let app = TestApp::with(fresh).await;
    let mut operator = Operator::of(&app);
    let key = app.stand_in().api_key().to_owned();
    operator
        .types_with(&STORE_API_KEY, &[], &key)
        .await
        .well(&["it is stored"]);
    operator.secrets.push(SEGMENT.to_owned());
    let mapped = Mappings {
        segment: SEGMENT,
        closed: "/v1/webhooks",
        ..Mappings::default()
    };
    let api = front::serve(app.sandbox().host().base_url(), mapped).await;
    let url = format!("{api}/v1/webhooks/metriport");
    let variables = [("WEBHOOK_SEGMENT", &SEGMENT[1..])];
    let register = ["account", "register-webhook", "--url", &url];
    operator
        .types_with(&register, &variables, "")
        .await
        .well(&["/…/v1/webhooks/metriport", "the webhook is enabled"]);
    // Without --api, the command takes the API's address from the registered URL, which has the segment.
    for status in [&["account", "status", "--api", &api][..], &["account", "status"]] {
        let expected = ["ok   webhook URL", "ok   our own ping", "ok   API"];
        operator.types(status).await.well(&expected);
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_open_without_its_segment_is_reported() {
    const SEGMENT: &str = "/8f14e45fceea167a5a36dedd4bea2543";
    let app = TestApp::start().await;
    let mut operator = Operator::of(&app);
    operator.secrets.push(SEGMENT.to_owned());
    // First, the mapping that closes the paths without the segment is missing. Then, it leads them to the API itself.
    for (stripped, open) in [
        ("", &["/v1/webhooks/metriport"][..]),
        (
            "/v1/webhooks",
            &[
                "/v1/webhooks/v1/webhooks/metriport",
                "/v1/webhooksX/v1/webhooks/metriport",
            ],
        ),
    ] {
        let mapped = Mappings {
            segment: SEGMENT,
            stripped,
            ..Mappings::default()
        };
        let api = front::serve(app.sandbox().host().base_url(), mapped).await;
        let url = format!("{api}/v1/webhooks/metriport");
        let replace = ["account", "register-webhook", "--replace", "--url", &url];
        let variables = [("WEBHOOK_SEGMENT", &SEGMENT[1..])];
        operator.types_with(&replace, &variables, "").await.well(&["enabled"]);
        let expected: Vec<_> = open
            .iter()
            .map(|path| format!("POST {path} is open without its segment"))
            .collect();
        let expected: Vec<_> = expected.iter().map(String::as_str).collect();
        for status in [&["account", "status", "--api", &api][..], &["account", "status"]] {
            let output = operator.types(status).await.badly(&expected);
            assert_eq!(output.matches("is open without").count(), open.len(), "{output}");
        }
    }
    app.end().await;
}

/// The arguments of `ias account status`, with options for the issuer and the account's concurrency.
fn status_of<'a>(api: &'a str, issuer: &'a str, unreserved: &'a str) -> Vec<&'a str> {
    let of_issuer = ["account", "status", "--api", api, "--issuer", issuer];
    [&of_issuer[..], &["--unreserved", unreserved, "--queues", "25"]].concat()
}

/// API Gateway silently ignores an issuer that it cannot read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn issuer_is_checked_before_it_is_deployed() {
    let app = TestApp::start().await;
    let operator = Operator::of(&app);
    let issuer = IssuerServer::start(0, "app").await.expect("an issuer");
    let url = issuer.issuer().url().to_owned();
    let check = async |issuer: &str| operator.types(&["account", "check-issuer", issuer]).await;
    check(&url).await.well(&["can be read and its name matches"]);
    let api = app.sandbox().host().base_url();
    let looked = operator.types(&status_of(api, &url, "1000")).await;
    looked.well(&["ok   issuer", "ok   concurrency"]);
    // A trailing slash too many, an address whose document names another issuer, a port without a server, plain HTTP,
    // and a URL without a scheme.
    let slash = format!("{url}/");
    for (wrong, problem) in [
        (slash.as_str(), "names the issuer"),
        (api, "must be identical"),
        ("http://127.0.0.1:9", "cannot be read"),
        ("http://issuer.example.test", "is not https"),
        ("issuer.example.test", "issuer.example.test"),
    ] {
        check(wrong).await.badly(&[problem]);
    }
    let looked = operator.types(&status_of(api, &slash, "10")).await;
    looked.badly(&["BAD  issuer", "BAD  concurrency"]);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn undelivered_webhook_is_reported_and_repaired() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let operator = Operator::of(&app);
    // The operator has written the secret by hand, with a key that Metriport does not have.
    app.store_webhook_keys(&json!({ "current": "another" })).await;
    operator
        .types(&["account", "status"])
        .await
        .badly(&["BAD  webhook key", "rotate webhook-key"]);
    app.store_secret("ias-WebhookKeysSecret", "another").await;
    let looked = operator.types(&["account", "status"]).await;
    looked.badly(&[r#"the secret WebhookKeysSecret is not JSON like {"current": "..."}"#]);
    let register = ["account", "register-webhook", "--url", &webhook_url(&app)];
    operator
        .types(&register)
        .await
        .well(&["already registered", "Stored the webhook key", "enabled"]);
    app.end().await;
}
