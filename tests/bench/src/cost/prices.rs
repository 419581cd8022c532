//! List prices of AWS in us-east-1, without free tiers, each with its public page under aws.amazon.com. Check them
//! before you rely on them.

/// When the prices were last compared with their pages.
pub const AS_OF: &str = "mid-2025";

/// The price of one unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Price {
    /// The billed unit.
    pub what: &'static str,
    /// Dollars per unit.
    pub dollars: f64,
}

const MILLION: f64 = 1_000_000.0;

macro_rules! prices {
    ($($name:ident: $what:literal, $dollars:expr;)*) => {
        $(pub const $name: Price = Price { what: $what, dollars: $dollars };)*
    };
}

prices! {
    // api-gateway/pricing: HTTP APIs, the first 300 million a month; a request counts for each 512 KB.
    API_REQUEST: "API Gateway requests", 1.00 / MILLION;
    // lambda/pricing
    LAMBDA_REQUEST: "Lambda requests", 0.20 / MILLION;
    LAMBDA_GB_SECOND: "Lambda GB-seconds (arm64)", 0.000_013_333_4;
    // dynamodb/pricing/on-demand: Standard class, since November 2024.
    DYNAMODB_READ: "DynamoDB read units", 0.125 / MILLION;
    DYNAMODB_WRITE: "DynamoDB write units", 0.625 / MILLION;
    DYNAMODB_GB: "DynamoDB storage, GB-month", 0.25;
    DYNAMODB_PITR_GB: "DynamoDB point-in-time recovery, GB-month", 0.20;
    // sqs/pricing: standard queues; a request counts for each 64 KB.
    SQS_REQUEST: "SQS requests", 0.40 / MILLION;
    // s3/pricing
    S3_WRITE: "S3 writes (put, part, completion)", 5.0 / MILLION;
    S3_READ: "S3 reads", 0.40 / MILLION;
    S3_GB: "S3 storage, GB-month", 0.023;
    // secrets-manager/pricing
    SECRET: "Secrets", 0.40;
    SECRET_CALL: "Secrets Manager calls", 5.0 / MILLION;
    // kms/pricing
    KMS_KEY: "KMS keys", 1.00;
    KMS_REQUEST: "KMS requests, at most", 3.0 / MILLION;
    // cloudwatch/pricing
    LOG_GB: "CloudWatch Logs, GB ingested", 0.50;
    METRIC: "Custom metrics", 0.30;
    ALARM_METRIC: "Metrics watched by alarms", 0.10;
    DASHBOARD: "Dashboards", 3.00;
    // xray/pricing
    TRACE: "X-Ray traces, at most", 5.0 / MILLION;
    // eventbridge/pricing
    SCHEDULED: "EventBridge Scheduler invocations", 1.0 / MILLION;
}
