//! `template.yaml` and its nested stacks keep rules that linters do not know. This file tests the functions. Its
//! modules test the API, the build, data, parameters, privileges and monitoring.

mod api;
mod build;
mod data;
mod parameters;
mod privileges;
mod watch;

use std::collections::BTreeSet;
use std::path::Path;

use sandbox_host::template::{Bindings, Route, Stack};

const TEXT: &str = include_str!("../../template.yaml");
/// The root of the repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Invented parameters. An attribute of a resource has the value `id/attribute`.
pub(crate) fn bindings() -> Bindings {
    Bindings::new("us-east-1", "000000000000", "ias")
        .with_parameter("FacilityId", "facility")
        .with_parameter("JwtIssuer", "https://issuer.example.test")
        .with_parameter("JwtAudience", "app")
        .with_parameter("RequiredAmr", "mfa")
        .with_parameter("RedirectAllowlist", "https://app.example.test/back")
        .with_parameter("ConsentKeptElsewhere", "true")
        .with_parameter("RecordLinkHosts", "bucket.s3.us-west-1.amazonaws.com")
        .with_resolver(|id, attribute| Some(format!("{id}/{attribute}")))
}

/// The template, read with invented parameters.
pub(crate) fn stack() -> Stack {
    Stack::read(TEXT, &bindings()).unwrap()
}

/// Every route of the template, so that tests cover a new route at once.
pub(crate) fn routes() -> Vec<Route> {
    let functions = stack().functions.into_iter();
    functions.flat_map(|function| function.routes).collect()
}

#[test]
fn deployed_functions_equal_the_folders_in_functions() {
    let stack = stack();
    let deployed: BTreeSet<_> = stack.functions.iter().map(|function| function.binary.clone()).collect();
    let folders = std::fs::read_dir(Path::new(ROOT).join("functions")).unwrap();
    let folders = folders
        .map(|folder| folder.unwrap())
        .filter(|folder| folder.path().join("Cargo.toml").exists());
    assert_eq!(
        deployed,
        folders
            .map(|folder| folder.file_name().into_string().unwrap())
            .collect()
    );
}

#[test]
fn every_queue_source_retries_and_keeps_failed_messages() {
    let stack = stack();
    let mut sources = 0;
    for function in &stack.functions {
        for source in &function.queue_sources {
            sources += 1;
            let name = &function.binary;
            assert!(source.reports_batch_item_failures, "{name} retries whole batches");
            assert!(source.concurrency_max.is_some(), "{name} may take all executions");
            let queue = stack.queue(&source.queue).unwrap();
            // The visibility timeout is at least six times the function's timeout (docs.aws.amazon.com, "Configuring an
            // Amazon SQS event source").
            assert!(
                queue.visibility_timeout_secs >= 6 * function.timeout_secs,
                "{name}: visibility timeout"
            );
            let redrive = queue.redrive.as_ref().unwrap();
            assert!(redrive.receive_count_max >= 3, "{name} gives up too soon");
            let dead_letters = stack.queue(&redrive.dead_letter_queue).unwrap();
            assert!(dead_letters.redrive.is_none() && dead_letters.logical_id != queue.logical_id);
            // A message keeps its age when SQS moves it, so the dead-letter queue must keep messages longer.
            assert!(
                dead_letters.retention_secs >= queue.retention_secs + 7 * 86_400,
                "{name}: dead letters vanish"
            );
        }
    }
    assert!(sources >= 4);
}

#[test]
fn every_log_group_has_a_retention() {
    let stack = stack();
    for function in &stack.functions {
        let group = &stack.resource(&function.logical_id).unwrap()["Properties"]["LoggingConfig"]["LogGroup"]["Ref"];
        let group = stack.resource(group.as_str().unwrap()).unwrap();
        assert_eq!(group["Type"], "AWS::Logs::LogGroup", "{}", function.binary);
        assert!(
            group["Properties"].get("RetentionInDays").is_some(),
            "{}",
            function.binary
        );
    }
}

#[test]
fn functions_behind_the_api_end_before_the_gateway_does() {
    let stack = stack();
    for function in stack.functions.iter().filter(|function| !function.routes.is_empty()) {
        let shortest = function.routes.iter().map(|route| route.timeout_ms).min().unwrap();
        assert!(function.timeout_secs * 1000 < shortest, "{}", function.binary);
    }
    // Metriport waits four seconds for a webhook's answer (docs.metriport.com, page `getting-started/webhooks`).
    assert!(stack.function("webhook-intake").unwrap().timeout_secs <= 5);
}

/// The variables about assurance of every function that serves persons.
const OF_PERSONS: [&str; 7] = [
    "REQUIRED_SCOPE",
    "REQUIRED_AMR",
    "REQUIRED_ACR",
    "ACCEPT_ANY_SIGN_IN",
    "ASSURANCE_CLAIMS",
    "MAX_AUTH_AGE_SECS",
    "TAKES_ID_TOKENS",
];

/// The variables about consent of these functions, and of `account-work`.
const OF_CONSENT: [&str; 4] = [
    "CONSENT_NOTICE_VERSION",
    "CONSENT_NOTICE_SHA256",
    "CONSENT_NOTICE_URL",
    "CONSENT_KEPT_ELSEWHERE",
];

/// The variables that each function's code reads, listed by hand. All functions also have `STAGE` and
/// `METRIPORT_BASE_URL`. The list leaves out variables that Lambda sets (`AWS_…`), and variables whose default every
/// deployment keeps (`TIME_SCALE`, `EXTRA_ROOTS_FILE`, `LOG_LEVEL`).
const VARIABLES: [(&str, &[&str]); 12] = [
    (
        "identity-session",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "PERSON_BURST",
            "PERSON_SHARE_PERCENT",
            "METRIPORT_API_KEY_SECRET",
            "OWNER_KEY_SECRET",
            "FACILITY_ID",
            "EXTERNAL_ID_CLAIM",
            "DEMOGRAPHICS_CLAIMS",
            "REDIRECT_ALLOWLIST",
        ],
    ),
    ("webhook-intake", &["WEBHOOK_KEYS_SECRET", "WEBHOOK_EVENTS_QUEUE_URL"]),
    (
        "webhook-process",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "RUN_ADVANCE_QUEUE_URL",
            "RECORD_FETCH_QUEUE_URL",
            "WEBHOOK_EVENTS_DEAD_LETTERS_URL",
        ],
    ),
    (
        "aal2-challenge",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "PERSON_BURST",
            "PERSON_SHARE_PERCENT",
            "METRIPORT_API_KEY_SECRET",
            "OWNER_KEY_SECRET",
            "REDIRECT_ALLOWLIST",
        ],
    ),
    (
        "network-query",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "PERSON_BURST",
            "PERSON_SHARE_PERCENT",
            "OWNER_KEY_SECRET",
            "RUN_ADVANCE_QUEUE_URL",
        ],
    ),
    (
        "query-dispatch",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "METRIPORT_API_KEY_SECRET",
            "RUN_ADVANCE_QUEUE_URL",
            "RUN_ADVANCE_DEAD_LETTERS_URL",
        ],
    ),
    (
        "reconcile",
        &[
            "TABLE_NAME",
            "METRIPORT_API_KEY_SECRET",
            "METRIPORT_DAILY_QUOTA",
            "RUN_ADVANCE_QUEUE_URL",
            "ACCOUNT_WORK_QUEUE_URL",
        ],
    ),
    (
        "record-fetch",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "RECORDS_BUCKET",
            "RECORD_LINK_HOSTS",
            "RUN_ADVANCE_QUEUE_URL",
            "RECORD_FETCH_DEAD_LETTERS_URL",
        ],
    ),
    (
        "record-read",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "PERSON_BURST",
            "PERSON_SHARE_PERCENT",
            "OWNER_KEY_SECRET",
            "RECORD_RETENTION_DAYS",
            "RECORDS_BUCKET",
            "RUN_ADVANCE_QUEUE_URL",
        ],
    ),
    (
        "account",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "PERSON_BURST",
            "PERSON_SHARE_PERCENT",
            "OWNER_KEY_SECRET",
            "RECORD_RETENTION_DAYS",
            "SEALS_BUCKET",
            "RECORDS_BUCKET",
            "STACK_NAME",
            "ACCOUNT_WORK_QUEUE_URL",
        ],
    ),
    (
        "account-work",
        &[
            "TABLE_NAME",
            "ACCESS_LOG_RETENTION_DAYS",
            "LOG_RETENTION_DAYS",
            "METRIPORT_LIMITS",
            "METRIPORT_DAILY_QUOTA",
            "METRIPORT_API_KEY_SECRET",
            "RECORD_RETENTION_DAYS",
            "RECORDS_BUCKET",
            "SEALS_BUCKET",
            "SEAL_KEY_ID",
            "STACK_NAME",
            "ACCOUNT_WORK_DEAD_LETTERS_URL",
        ],
    ),
    ("log-seal", &["TABLE_NAME", "SEALS_BUCKET", "SEAL_KEY_ID", "STACK_NAME"]),
];

#[test]
fn every_function_has_exactly_the_variables_it_reads() {
    let stack = stack();
    assert_eq!(stack.functions.len(), VARIABLES.len());
    for (binary, variables) in VARIABLES {
        let function = stack.function(binary).unwrap();
        let set: BTreeSet<_> = stack.environment(function, &bindings()).unwrap().into_keys().collect();
        let everywhere = ["STAGE", "METRIPORT_BASE_URL"];
        let serves_persons = variables.contains(&"OWNER_KEY_SECRET");
        let of_persons = OF_PERSONS.iter().filter(|_| serves_persons);
        let asks_for_consent = serves_persons || binary == "account-work";
        let of_consent = OF_CONSENT.iter().filter(|_| asks_for_consent);
        let read: BTreeSet<_> = variables
            .iter()
            .chain(&everywhere)
            .chain(of_persons)
            .chain(of_consent)
            .map(|name| (*name).to_owned())
            .collect();
        assert_eq!(set, read, "{binary}");
    }
}
