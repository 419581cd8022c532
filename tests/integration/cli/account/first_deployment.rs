//! Every command of docs/deploy.md after the deployment, in its order. Some commands also run too early or twice.

use super::{Operator, STORE_API_KEY, fresh, webhook_url};
use crate::harness::TestApp;

const CREATE_FACILITY: [&str; 15] = [
    "account",
    "facility",
    "create",
    "--name",
    "Example Virtual Facility",
    "--npi",
    "1234567893",
    "--street",
    "10 Harbor St",
    "--city",
    "Columbus",
    "--state",
    "OH",
    "--zip",
    "43215",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_deployment_follows_the_documented_order() {
    let app = TestApp::with(fresh).await;
    let operator = Operator::of(&app);
    let (key, url) = (app.stand_in().api_key(), webhook_url(&app));
    let api = app.sandbox().host().base_url();
    report_what_is_missing(&operator, api).await;
    create_facility(&operator, key).await;
    store_api_key(&operator, key, &url).await;
    register_webhook(&operator, api, &url).await;
    refuse_other_webhook_urls(&operator, &url).await;
    check_redirects(&operator).await;
    report_that_all_is_there(&operator, api, &url).await;
    warn_of_unbound_demographics(&app, &operator).await;
    pull_by_command(&app, &operator, api).await;
    app.end().await;
}

async fn report_what_is_missing(operator: &Operator, api: &str) {
    operator.types(&["account", "status", "--api", api]).await.badly(&[
        "BAD  API key",
        "has no value yet",
        "ok   owner key",
    ]);
}

/// The facility's id is a parameter of the stack. So this step needs the API key, but not the stack.
async fn create_facility(operator: &Operator, key: &str) {
    let with_key = [("METRIPORT_API_KEY", key)];
    let made = operator.types_with(&CREATE_FACILITY, &with_key, "").await;
    let made = made.well(&["Created a facility: FacilityId="]);
    let again = operator.types_with(&CREATE_FACILITY, &with_key, "").await;
    let again = again.well(&["A facility of that name already exists"]);
    assert_eq!(facility_id(&made), facility_id(&again));
    let list = ["account", "facility", "list"];
    let listed = operator.types_with(&list, &with_key, "").await;
    let listed = listed.well(&["Example Virtual Facility"]);
    assert_eq!(listed.lines().count(), 2, "the stand-in's own, and one more: {listed}");
    operator.types(&list).await.badly(&["there is no API key"]);
}

fn facility_id(output: &str) -> Option<&str> {
    output.split("FacilityId=").nth(1)?.split_whitespace().next()
}

/// The command reads the key from standard input, and tests it before it stores it.
async fn store_api_key(operator: &Operator, key: &str, url: &str) {
    let register = ["account", "register-webhook", "--url", url];
    let too_early = operator.types(&register).await;
    too_early.badly(&["MetriportApiKeySecret", "has no value yet"]);
    let store = async |key: &str| operator.types_with(&STORE_API_KEY, &[], key).await;
    store("bm90OmFrZXk=").await.badly(&["does not accept this API key"]);
    store(&format!("{key}\n")).await.well(&["it is stored"]);
    store(key).await.well(&["nothing to do"]);
}

/// At the first ping, the secret holds another key than Metriport's; at a later ping, it holds Metriport's key.
async fn register_webhook(operator: &Operator, api: &str, url: &str) {
    let status = ["account", "status", "--api", api];
    operator.types(&status).await.badly(&["none is registered"]);
    let register = ["account", "register-webhook", "--url", url];
    let registered = ["Registered", "Stored the webhook key", "the webhook is enabled"];
    operator.types(&register).await.well(&registered);
    operator.types(&register).await.well(&[
        "already registered",
        "already holds the webhook key",
        "the webhook is enabled",
    ]);
}

/// Metriport does not accept a webhook URL on AWS's own domain. The command replaces the account's URL only with
/// `--replace`.
async fn refuse_other_webhook_urls(operator: &Operator, url: &str) {
    let register = async |url: &str| operator.types(&["account", "register-webhook", "--url", url]).await;
    let aws = register("https://abc.execute-api.us-east-1.amazonaws.com/v1/webhooks/metriport").await;
    aws.badly(&["amazonaws.com", "domain of your own"]);
    let other = register("https://treatment.example.org/v1/webhooks/metriport").await;
    other.badly(&[url, "--replace"]);
}

async fn check_redirects(operator: &Operator) {
    let [one, two] = ["https://app.example.test/a", "https://app.example.test/b"];
    let listed = operator.types(&["account", "redirects", one, two]).await;
    listed.well(&["RedirectAllowlist=https://app.example.test/a,https://app.example.test/b"]);
    let plain = ["account", "redirects", "http://app.example.test/a"];
    operator.types(&plain).await.badly(&["must begin with https"]);
}

async fn report_that_all_is_there(operator: &Operator, api: &str, url: &str) {
    let looked = operator.types(&["account", "status", "--api", api]).await;
    let looked = looked.well(&["ok   our own ping", "routes exist and refuse calls without a token"]);
    assert!(!looked.contains("BAD") && looked.contains(url), "{looked}");
    operator.types(&["account", "status"]).await.well(&["ok   API "]);
}

/// The sandbox accepts unbound demographics. A tag on the API key's secret states whether a stack accepts them.
async fn warn_of_unbound_demographics(app: &TestApp, operator: &Operator) {
    const TAG: &str = "individual-access:accept-unbound-demographics";
    let status = ["account", "status"];
    let unbound = "WARN demographics     unbound";
    operator.types(&status).await.well(&[unbound, "set DemographicsClaims"]);
    let bound = app
        .sandbox()
        .aws()
        .tag_secret("ias-MetriportApiKeySecret", TAG, "false");
    bound.expect("the secret has the tag");
    operator.types(&status).await.well(&["ok   demographics     bound"]);
}

/// The command itself passes the hosted pages. At the second pull, the identity is already verified.
async fn pull_by_command(app: &TestApp, operator: &Operator, api: &str) {
    let token = app.sandbox().token("operator", &serde_json::Map::new());
    let token = token.expect("a token");
    let smoke = ["smoke", "--api", api, "--play-pages", "--token-file", "-"];
    for identity in ["identity verified by webhook", "verified already"] {
        let pulled = operator.types_with(&smoke, &[], &token).await;
        let output = pulled.well(&[identity, "4 Record", "total", "/v1/records/"]);
        assert!(
            !output.contains(&token) && !output.contains("X-Amz-Signature"),
            "{output}"
        );
    }
}
