//! The tests call the embedded AWS directly, with the functions' access key ids. The embedded AWS refuses calls that
//! are not granted.

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::SigningAlgorithmSpec;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use sandbox_host::{access_key_id, event_source_key_id};
use serde_json::json;
use shared::aws::Aws;
use shared::metriport::http_client;

use crate::harness::{BOUND, TestApp};

const TABLE: &str = "ias-Table";
const BUCKET: &str = "ias-recordsbucket";
const SEALS: &str = "ias-sealsbucket";
const DENIED: &str = "AccessDeniedException";

/// The error's code; empty for a call that succeeded.
fn code<T, E: ProvideErrorMetadata, R>(ended: Result<T, SdkError<E, R>>) -> String {
    match ended {
        Ok(_) => String::new(),
        Err(error) => error.code().unwrap_or("none").to_owned(),
    }
}

async fn get(aws: &Aws, pk: &str) -> String {
    let key = serde_dynamo::to_item(json!({ "pk": pk, "sk": "s" })).unwrap();
    code(
        aws.dynamodb()
            .get_item()
            .table_name(TABLE)
            .set_key(Some(key))
            .send()
            .await,
    )
}

async fn put(aws: &Aws, pk: &str) -> String {
    let item = serde_dynamo::to_item(json!({ "pk": pk, "sk": "s" })).unwrap();
    code(
        aws.dynamodb()
            .put_item()
            .table_name(TABLE)
            .set_item(Some(item))
            .send()
            .await,
    )
}

async fn query(aws: &Aws, index: Option<&str>, condition: &str, value: &str) -> String {
    let values = serde_dynamo::to_item(json!({ ":value": value })).unwrap();
    let query = aws
        .dynamodb()
        .query()
        .table_name(TABLE)
        .set_index_name(index.map(str::to_owned));
    let query = query.key_condition_expression(condition);
    code(query.set_expression_attribute_values(Some(values)).send().await)
}

async fn send(app: &TestApp, aws: &Aws, queue: &str) -> String {
    let url = app.sandbox().aws().queue_url(queue).unwrap();
    let sent = aws.sqs().send_message().queue_url(url).message_body("no JSON");
    code(sent.delay_seconds(900).send().await)
}

/// Receives from a queue. This does not take a message away from a function, because the test's messages are delayed.
async fn receive(app: &TestApp, aws: &Aws, queue: &str) -> String {
    let url = app.sandbox().aws().queue_url(queue).unwrap();
    code(aws.sqs().receive_message().queue_url(url).send().await)
}

async fn secret(aws: &Aws, name: &str) -> String {
    code(aws.secrets().get_secret_value().secret_id(name).send().await)
}

async fn object(aws: &Aws, key: &str) -> String {
    code(aws.s3().get_object().bucket(BUCKET).key(key).send().await)
}

fn function(app: &TestApp, binary: &str) -> Aws {
    app.aws_as(&access_key_id(binary))
}

/// The calls that the sandbox refused since this function was last called.
fn refused(app: &TestApp) -> Vec<String> {
    let refused = app.sandbox().privileges().take_refused();
    refused.iter().map(ToString::to_string).collect()
}

/// A sandbox that starts a function only when it is needed.
async fn idle() -> TestApp {
    TestApp::with(|options| options.prewarm = false).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aal2_challenge_may_use_items_of_persons_and_its_own_secrets() {
    let app = idle().await;
    let challenge = function(&app, "aal2-challenge");
    assert_eq!(get(&challenge, "OWNER#x").await, "");
    assert_eq!(put(&challenge, "OWNER#x").await, "");
    assert_eq!(get(&challenge, "PATIENT#x").await, DENIED);
    assert_eq!(put(&challenge, "BUDGET#day").await, DENIED);
    // The function writes entries of the access log, but cannot read them.
    assert_eq!(put(&challenge, "LOG#x").await, "");
    assert_eq!(get(&challenge, "LOG#x").await, DENIED);
    assert_eq!(query(&challenge, None, "pk = :value", "OWNER#x").await, "");
    assert_eq!(query(&challenge, None, "pk = :value", "PATIENT#x").await, DENIED);
    assert_eq!(secret(&challenge, "ias-OwnerKeySecret").await, "");
    assert_eq!(secret(&challenge, "ias-WebhookKeysSecret").await, DENIED);
    let table = "arn:aws:dynamodb:us-east-1:000000000000:table/ias-Table";
    let refused = refused(&app);
    assert_eq!(
        refused[..4],
        [
            format!("aal2-challenge dynamodb:GetItem {table} LOG#*"),
            format!("aal2-challenge dynamodb:GetItem {table} PATIENT#*"),
            format!("aal2-challenge dynamodb:PutItem {table} BUDGET#day"),
            format!("aal2-challenge dynamodb:Query {table} PATIENT#*"),
        ]
    );
    assert_eq!(refused.len(), 5);
    assert!(
        !app.items().await.iter().any(|item| item.contains("BUDGET#day")),
        "a refused call had an effect"
    );
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reconcile_may_query_due_work_and_nothing_of_a_person() {
    let app = idle().await;
    let reconcile = function(&app, "reconcile");
    assert_eq!(query(&reconcile, Some("due"), "dueShard = :value", "DUE#1").await, "");
    assert_eq!(query(&reconcile, None, "pk = :value", "OWNER#x").await, DENIED);
    assert_eq!(get(&reconcile, "REPLAYS").await, "");
    assert_eq!(get(&reconcile, "OWNER#x").await, DENIED);
    assert_eq!(refused(&app).len(), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_intake_may_send_to_its_queue_and_nothing_else() {
    let app = idle().await;
    let intake = function(&app, "webhook-intake");
    assert_eq!(send(&app, &intake, "ias-WebhookEventsQueue").await, "");
    assert_eq!(send(&app, &intake, "ias-RunAdvanceQueue").await, "AccessDenied");
    assert_eq!(get(&intake, "OWNER#x").await, DENIED);
    assert_eq!(receive(&app, &intake, "ias-WebhookEventsQueue").await, "AccessDenied");
    assert_eq!(refused(&app).len(), 3);
    app.stop().await;
}

/// SAM's managed policy allows a function to receive from every queue; the function's own policy denies every queue but
/// one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_fetch_may_receive_from_its_queue_alone() {
    let app = idle().await;
    let fetcher = function(&app, "record-fetch");
    assert_eq!(receive(&app, &fetcher, "ias-RecordFetchQueue").await, "");
    for queue in [
        "ias-RunAdvanceQueue",
        "ias-WebhookEventsDeadLetters",
        "ias-RecordFetchDeadLetters",
    ] {
        assert_eq!(receive(&app, &fetcher, queue).await, "AccessDenied", "{queue}");
    }
    assert_eq!(refused(&app).len(), 3);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_read_may_look_at_records_and_change_none() {
    let app = idle().await;
    let reader = function(&app, "record-read");
    assert_eq!(object(&reader, "records/x").await, "NoSuchKey", "it may look");
    assert_eq!(object(&reader, "other/x").await, "AccessDenied");
    let deleted = reader.s3().delete_object().bucket(BUCKET).key("records/x");
    assert_eq!(code(deleted.send().await), "AccessDenied");
    let scanned = reader.dynamodb().scan().table_name(TABLE);
    assert_eq!(code(scanned.send().await), DENIED);
    // The sandbox refuses a call if it does not know which privileges the call needs.
    let described = reader.dynamodb().describe_table().table_name(TABLE);
    assert_eq!(code(described.send().await), DENIED);
    assert_eq!(refused(&app).len(), 4);
    app.stop().await;
}

async fn put_seal(aws: &Aws) -> String {
    let put = aws.s3().put_object().bucket(SEALS).key("seals/x").if_none_match("*");
    code(put.send().await)
}

async fn sign(aws: &Aws) -> String {
    let call = aws.kms().sign().key_id("SealKey").message(Blob::new("text"));
    code(call.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send().await)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_log_seal_signs_and_reads_no_entry() {
    let app = idle().await;
    let (sealer, reader) = (function(&app, "log-seal"), function(&app, "account"));
    assert_eq!(
        query(&sealer, Some("day"), "logDay = :value", "DAY#2026-11-25#0").await,
        ""
    );
    assert_eq!(query(&sealer, None, "pk = :value", "LOG#x").await, DENIED);
    assert_eq!(get(&sealer, "OWNER#x").await, DENIED);
    assert_eq!(put(&sealer, "LOG#x").await, DENIED);
    assert_eq!(
        (sign(&sealer).await, put_seal(&sealer).await),
        (String::new(), String::new())
    );
    // A second put is refused by the service: no seal is replaced.
    assert_eq!(put_seal(&sealer).await, "PreconditionFailed");
    assert_eq!(query(&reader, None, "pk = :value", "LOG#x").await, "");
    assert_eq!(
        query(&reader, Some("day"), "logDay = :value", "DAY#2026-11-25#0").await,
        DENIED
    );
    let seal = reader.s3().get_object().bucket(SEALS).key("seals/x");
    assert_eq!(code(seal.send().await), "");
    assert_eq!(
        (sign(&reader).await.as_str(), put_seal(&reader).await.as_str()),
        (DENIED, "AccessDenied")
    );
    assert_eq!(refused(&app).len(), 6);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_function_is_refused_and_an_operator_is_not() {
    let app = TestApp::start().await;
    assert_eq!(get(&function(&app, "unknown"), "OWNER#x").await, DENIED);
    assert_eq!(refused(&app).len(), 1);
    assert_eq!(get(&app.aws_as("OPERATOR"), "OWNER#x").await, "");
    let client = http_client(BOUND, BOUND).unwrap();
    let unsigned = client
        .post(app.sandbox().aws().endpoint(sandbox_aws::Service::DynamoDb))
        .header("x-amz-target", "DynamoDB_20120810.ListTables")
        .body("{}");
    assert_eq!(unsigned.send().await.unwrap().status().as_u16(), 400);
    assert_eq!(refused(&app), ["anonymous dynamodb:ListTables *"]);
    app.stop().await;
}

/// Lambda polls a queue with the role of the function that gets its messages, and with no other role.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_source_has_the_role_of_its_function() {
    let app = TestApp::start().await;
    let source = app.aws_as(&event_source_key_id("webhook-process"));
    assert_eq!(receive(&app, &source, "ias-WebhookEventsQueue").await, "");
    assert_eq!(receive(&app, &source, "ias-RunAdvanceQueue").await, "AccessDenied");
    assert_eq!(
        receive(
            &app,
            &app.aws_as(&event_source_key_id("account")),
            "ias-RunAdvanceQueue"
        )
        .await,
        "AccessDenied"
    );
    assert_eq!(refused(&app).len(), 2);
    app.stop().await;
}

/// The shutdown reports a refused call even if everything after it succeeds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_reports_a_refused_call() {
    let app = TestApp::start().await;
    assert_eq!(get(&function(&app, "webhook-intake"), "OWNER#x").await, DENIED);
    let log = app.log();
    let refusal = "webhook-intake: refused by the policy: webhook-intake dynamodb:GetItem";
    assert!(log.iter().any(|line| line.starts_with(refusal)), "{log:?}");
    let ended = app.into_sandbox().shutdown().await.unwrap_err();
    assert!(
        ended
            .to_string()
            .starts_with("refused by policies: webhook-intake dynamodb:GetItem")
    );
}
