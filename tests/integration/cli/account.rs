//! `ias account` and `ias smoke`, as an operator types them, from a fresh deployment to one whose keys were changed.

use std::process::Stdio;

use ias::SandboxOptions;
use sandbox_host::IssuerServer;
use sandbox_metriport::StandInOptions;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use super::front::{self, Mappings};
use super::{ias, text};
use crate::harness::{BOUND, TestApp};

/// What a command printed, both ways, and how it ended.
struct Ended {
    code: Option<i32>,
    said: String,
}

/// The operator of a deployment: their shell's variables, and what must never be seen on their screen.
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

    /// A command with further variables and something on its standard input.
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
        let said = format!("{}{}", text(&ended.stdout), text(&ended.stderr));
        for secret in &self.secrets {
            assert!(!said.contains(secret.as_str()), "a secret is shown by {args:?}");
        }
        Ended {
            code: ended.status.code(),
            said,
        }
    }
}

impl Ended {
    #[track_caller]
    fn well(self, expected: &[&str]) -> String {
        assert_eq!(self.code, Some(0), "{}", self.said);
        for part in expected {
            assert!(self.said.contains(part), "{part} is missing in:\n{}", self.said);
        }
        self.said
    }

    #[track_caller]
    fn badly(self, expected: &[&str]) -> String {
        assert_eq!(self.code, Some(1), "{}", self.said);
        for part in expected {
            assert!(self.said.contains(part), "{part} is missing in:\n{}", self.said);
        }
        self.said
    }
}

fn fresh(options: &mut SandboxOptions) {
    options.set_up = false;
    // Pages that are passed at once: a second pull has another authenticator.
    options.stand_in.auto_approve = true;
    // The secret is read again after a second and a half, and not after thirty.
    options.time_scale = 20;
}

fn webhook_url(app: &TestApp) -> String {
    format!("{}/v1/webhooks/metriport", app.sandbox().host().base_url())
}

/// docs/deploy.md, from the deployment on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_deployment_in_the_order_that_works() {
    let app = TestApp::with(fresh).await;
    let operator = Operator::of(&app);
    let (key, url) = (app.stand_in().api_key().to_owned(), webhook_url(&app));
    let api = app.sandbox().host().base_url();
    operator.types(&["account", "status", "--api", api]).await.badly(&[
        "BAD  API key",
        "holds nothing yet",
        "ok   owner key",
    ]);

    // The facility's id is a parameter of the stack, so this needs the key and no stack.
    let with_key = [("METRIPORT_API_KEY", key.as_str())];
    let facility = [
        "account",
        "facility",
        "create",
        "--name",
        "Example Virtual Facility",
        "--npi",
        "1234567893",
    ];
    let facility = [
        &facility[..],
        &[
            "--street",
            "10 Harbor St",
            "--city",
            "Columbus",
            "--state",
            "OH",
            "--zip",
            "43215",
        ],
    ]
    .concat();
    let made = operator
        .types_with(&facility, &with_key, "")
        .await
        .well(&["Made a facility: FacilityId="]);
    let again = operator
        .types_with(&facility, &with_key, "")
        .await
        .well(&["There is a facility of that name already"]);
    let id = |said: &str| {
        said.split("FacilityId=")
            .nth(1)
            .and_then(|rest| rest.split_whitespace().next())
            .map(str::to_owned)
    };
    assert_eq!(id(&made), id(&again));
    let listed = operator
        .types_with(&["account", "facility", "list"], &with_key, "")
        .await
        .well(&["Example Virtual Facility"]);
    assert_eq!(listed.lines().count(), 2, "the stand-in's own, and one more: {listed}");
    operator
        .types(&["account", "facility", "list"])
        .await
        .badly(&["there is no API key"]);

    // The key: from standard input, tried before it is stored.
    operator
        .types(&["account", "register-webhook", "--url", &url])
        .await
        .badly(&["MetriportApiKeySecret", "holds nothing yet"]);
    let store = ["account", "store-api-key", "--api-key-file", "-"];
    operator
        .types_with(&store, &[], "bm90OmFrZXk=")
        .await
        .badly(&["does not take this API key"]);
    operator
        .types_with(&store, &[], &format!("{key}\n"))
        .await
        .well(&["it is stored"]);
    operator.types_with(&store, &[], &key).await.well(&["nothing to do"]);

    // The webhook: the first ping finds another key in the secret, a later one the right one.
    operator
        .types(&["account", "status", "--api", api])
        .await
        .badly(&["none is registered"]);
    let register = ["account", "register-webhook", "--url", &url];
    let registered = ["Registered", "Stored the webhook key", "the webhook is enabled"];
    operator.types(&register).await.well(&registered);
    operator.types(&register).await.well(&[
        "registered already",
        "holds the webhook key already",
        "the webhook is enabled",
    ]);
    let aws = "https://abc.execute-api.us-east-1.amazonaws.com/v1/webhooks/metriport";
    operator
        .types(&["account", "register-webhook", "--url", aws])
        .await
        .badly(&["amazonaws.com", "domain of your own"]);
    let other = "https://treatment.example.org/v1/webhooks/metriport";
    operator
        .types(&["account", "register-webhook", "--url", other])
        .await
        .badly(&[&url, "--replace"]);
    let redirects = [
        "account",
        "redirects",
        "https://app.example.test/a",
        "https://app.example.test/b",
    ];
    operator
        .types(&redirects)
        .await
        .well(&["RedirectAllowlist=https://app.example.test/a,https://app.example.test/b"]);
    operator
        .types(&["account", "redirects", "http://app.example.test/a"])
        .await
        .badly(&["not https"]);

    let looked = operator
        .types(&["account", "status", "--api", api])
        .await
        .well(&["ok   our own ping", "routes are there, and ask for a token"]);
    assert!(!looked.contains("BAD") && looked.contains(&url), "{looked}");
    operator.types(&["account", "status"]).await.well(&["ok   API "]);

    // The pull, with the pages passed by the command; and once more, when the identity is known.
    let token = app
        .sandbox()
        .token("operator", &serde_json::Map::new())
        .expect("a token");
    for identity in ["identity verified by webhook", "verified already"] {
        let smoke = ["smoke", "--api", api, "--play-pages", "--token-file", "-"];
        let said =
            operator
                .types_with(&smoke, &[], &token)
                .await
                .well(&[identity, "4 Record", "total", "/v1/records/"]);
        assert!(!said.contains(&token) && !said.contains("X-Amz-Signature"), "{said}");
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_changed_by_a_command_each() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in = StandInOptions {
            clearing_makes_key: true,
            ..options.stand_in.clone()
        };
    })
    .await;
    let mut operator = Operator::of(&app);
    let rotate = ["account", "rotate", "webhook-key", "--window-mins", "10"];
    operator.types(&rotate).await.well(&["nothing to do"]);

    // Metriport makes the key by itself, as in its dashboard, or when the URL is cleared and set again.
    operator.secrets.push(app.stand_in().rotate_webhook_key());
    operator
        .types(&["account", "status"])
        .await
        .badly(&["Metriport signs with another one"]);
    operator
        .types(&rotate)
        .await
        .well(&["the one before counts until", "answered with the new key"]);
    let before = app.stand_in().webhook_key();
    operator
        .types(&[&rotate[..], &["--clear-and-set"]].concat())
        .await
        .well(&["Cleared", "answered with the new key"]);
    assert_ne!(app.stand_in().webhook_key(), before);
    operator
        .types(&["account", "status"])
        .await
        .well(&["ok   webhook key", "the one before counts until"]);

    // The API key: a second one of the account; one of another account is refused.
    let another = TestApp::with(|options| options.stand_in.seed = 7).await;
    let rotate = ["account", "rotate", "api-key", "--api-key-file", "-"];
    operator
        .types_with(&rotate, &[], another.stand_in().api_key())
        .await
        .badly(&["does not take this API key"]);
    another.end().await;
    let new = app.stand_in().make_api_key().expect("room for a second key");
    let store = ["account", "store-api-key", "--api-key-file", "-"];
    operator.types_with(&store, &[], &new).await.badly(&["rotate api-key"]);
    operator
        .types_with(&rotate, &[], &new)
        .await
        .well(&["it is stored", "revoke the old one"]);
    operator.types_with(&rotate, &[], &new).await.well(&["nothing to do"]);
    assert!(app.stand_in().revoke_api_key(app.stand_in().api_key()));
    operator
        .types(&["account", "status"])
        .await
        .well(&["takes the API key"]);
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    assert_eq!(nora.pull().await.text("/status"), "completed");

    // What is stored and cannot be read may be of another account.
    app.store_binary_secret("ias-MetriportApiKeySecret", new.as_bytes())
        .await;
    operator.types_with(&store, &[], &new).await.badly(&["is binary"]);
    let replace = [&store[..], &["--replace"]].concat();
    operator
        .types_with(&replace, &[], &new)
        .await
        .well(&["takes the API key; it is stored"]);
    // In an empty one there is no other account's.
    app.store_secret("ias-MetriportApiKeySecret", "\n").await;
    operator
        .types_with(&store, &[], &new)
        .await
        .well(&["takes the API key; it is stored"]);
    app.end().await;
}

/// API Gateway that could not read the issuer leaves routes out and says nothing; one without its authorizer is open.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn routes_that_are_missing_or_open_are_told() {
    let app = TestApp::start().await;
    let operator = Operator::of(&app);
    let missing = Mappings {
        missing: &["/v1/patient", "/v1/records"],
        unguarded: &["/v1/identity-sessions"],
        ..Mappings::default()
    };
    let api = front::serve(app.sandbox().host().base_url(), missing).await;
    let told = [
        "PUT /v1/patient is missing",
        "GET /v1/records is missing",
        "POST /v1/identity-sessions asks for no token",
        "ias account check-issuer",
    ];
    let looked = operator.types(&["account", "status", "--api", &api]).await.badly(&told);
    assert!(!looked.contains("GET /v1/identity "), "{looked}");
    let smoke = ["smoke", "--api", &api, "--play-pages", "--token-file", "-"];
    operator.types_with(&smoke, &[], "no token is sent").await.badly(&told);
    app.end().await;
}

/// As infra/domain.yaml maps the API with the parameter WebhookSegment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_under_a_secret_segment_is_registered_and_not_shown() {
    const SEGMENT: &str = "/8f14e45fceea167a5a36dedd4bea2543";
    let app = TestApp::with(fresh).await;
    let mut operator = Operator::of(&app);
    let key = app.stand_in().api_key().to_owned();
    let store = ["account", "store-api-key", "--api-key-file", "-"];
    operator.types_with(&store, &[], &key).await.well(&["it is stored"]);
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
    // Without --api the base is that of the registered URL, which has the segment.
    for status in [&["account", "status", "--api", &api][..], &["account", "status"]] {
        let expected = ["ok   webhook URL", "ok   our own ping", "ok   API"];
        operator.types(status).await.well(&expected);
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_that_answers_without_its_segment_is_reported() {
    const SEGMENT: &str = "/8f14e45fceea167a5a36dedd4bea2543";
    let app = TestApp::start().await;
    let mut operator = Operator::of(&app);
    operator.secrets.push(SEGMENT.to_owned());
    // No closing mapping, and one that leads back to the API.
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
            let said = operator.types(status).await.badly(&expected);
            assert_eq!(said.matches("is open without").count(), open.len(), "{said}");
        }
    }
    app.end().await;
}

/// API Gateway ignores such an issuer without an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_is_read_before_it_is_deployed() {
    let app = TestApp::start().await;
    let operator = Operator::of(&app);
    let issuer = IssuerServer::start(0, "app").await.expect("an issuer");
    let url = issuer.issuer().url().to_owned();
    operator
        .types(&["account", "check-issuer", &url])
        .await
        .well(&["can be read and names itself so"]);
    let api = app.sandbox().host().base_url();
    let status = [
        "account",
        "status",
        "--api",
        api,
        "--issuer",
        &url,
        "--unreserved",
        "1000",
        "--queues",
        "25",
    ];
    operator.types(&status).await.well(&["ok   issuer", "ok   concurrency"]);
    // One slash too many; a document that names another; nothing there; not as API Gateway reads it.
    let slash = format!("{url}/");
    for (wrong, told) in [
        (slash.as_str(), "names the issuer"),
        (api, "letter by letter"),
        ("http://127.0.0.1:9", "cannot be read"),
        ("http://issuer.example.test", "is not https"),
        ("issuer.example.test", "issuer.example.test"),
    ] {
        operator.types(&["account", "check-issuer", wrong]).await.badly(&[told]);
    }
    let status = [
        "account",
        "status",
        "--api",
        api,
        "--issuer",
        &slash,
        "--unreserved",
        "10",
        "--queues",
        "25",
    ];
    operator
        .types(&status)
        .await
        .badly(&["BAD  issuer", "BAD  concurrency"]);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_does_not_arrive_is_told() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let operator = Operator::of(&app);
    // A secret that was written by hand, for a key that Metriport does not have.
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
        .well(&["registered already", "Stored the webhook key", "enabled"]);
    app.end().await;
}
