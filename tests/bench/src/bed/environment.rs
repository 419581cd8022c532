//! The environment of functions.

use std::collections::BTreeMap;

use super::answers::BUCKET;

/// Variables by name.
pub type Variables = BTreeMap<String, String>;

/// Host and port of each service: connections to one are of no use for another.
#[derive(Debug, Clone, Default)]
pub struct Hosts {
    /// DynamoDB.
    pub dynamodb: String,
    /// Metriport's API.
    pub metriport: String,
    /// Where Metriport keeps records.
    pub records: String,
    /// S3.
    pub s3: String,
    /// Secrets Manager.
    pub secrets: String,
    /// SQS.
    pub sqs: String,
}

impl Hosts {
    /// Everything at one place.
    pub fn all_at(host: &str) -> Self {
        let host = || host.to_owned();
        Self {
            dynamodb: host(),
            metriport: host(),
            records: host(),
            s3: host(),
            secrets: host(),
            sqs: host(),
        }
    }
}

/// What Lambda sets (docs.aws.amazon.com, "Defined runtime environment variables"), and what the template sets, for a
/// function that reaches its services by `scheme`.
pub fn environment(function: &str, scheme: &str, hosts: &Hosts) -> Variables {
    let at = |host: &str| format!("{scheme}://{host}");
    let queue = |name: &str| format!("{}/000000000000/{name}", at(&hosts.sqs));
    let variables = [
        ("AWS_LAMBDA_FUNCTION_NAME", function.to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/{function}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/11/22/[$LATEST]0".to_owned()),
        ("AWS_LAMBDA_LOG_FORMAT", "JSON".to_owned()),
        ("AWS_LAMBDA_LOG_LEVEL", "INFO".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "ASIAIOSFODNN7EXAMPLE".to_owned()),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        ),
        ("AWS_SESSION_TOKEN", "a".repeat(800)),
        ("_HANDLER", "bootstrap".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("LAMBDA_RUNTIME_DIR", "/var/runtime".to_owned()),
        ("LANG", "en_US.UTF-8".to_owned()),
        ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
        ("TZ", ":UTC".to_owned()),
        ("AWS_ENDPOINT_URL", at(&hosts.secrets)),
        ("AWS_ENDPOINT_URL_DYNAMODB", at(&hosts.dynamodb)),
        ("AWS_ENDPOINT_URL_S3", at(&hosts.s3)),
        ("AWS_ENDPOINT_URL_SQS", at(&hosts.sqs)),
        ("STAGE", "bench".to_owned()),
        ("METRIPORT_BASE_URL", at(&hosts.metriport)),
        ("TABLE_NAME", "table".to_owned()),
        ("RECORDS_BUCKET", BUCKET.to_owned()),
        ("RECORD_LINK_HOSTS", hosts.records.clone()),
        (
            "METRIPORT_LIMITS",
            "patient=15,identity=15,query=20,consolidated=120".to_owned(),
        ),
        ("METRIPORT_DAILY_QUOTA", "10000".to_owned()),
        ("METRIPORT_API_KEY_SECRET", "bench/api-key".to_owned()),
        ("OWNER_KEY_SECRET", "bench/owner-key".to_owned()),
        ("WEBHOOK_KEYS_SECRET", "bench/webhook-keys".to_owned()),
        ("FACILITY_ID", "facility".to_owned()),
        ("EXTERNAL_ID_CLAIM", "sub".to_owned()),
        ("REDIRECT_ALLOWLIST", "https://app.example.test/back".to_owned()),
        ("WEBHOOK_EVENTS_QUEUE_URL", queue("webhook-events")),
        ("WEBHOOK_EVENTS_DEAD_LETTERS_URL", queue("webhook-events-dead-letters")),
        ("RUN_ADVANCE_QUEUE_URL", queue("run-advance")),
        ("RUN_ADVANCE_DEAD_LETTERS_URL", queue("run-advance-dead-letters")),
        ("RECORD_FETCH_QUEUE_URL", queue("record-fetch")),
        ("RECORD_FETCH_DEAD_LETTERS_URL", queue("record-fetch-dead-letters")),
    ];
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    variables.into_iter().map(named).collect()
}
