//! List prices of AWS in us-east-1, without free tiers, as they were known in the middle of 2025. Look them up before
//! you rely on them: each names the public page it stands on.

/// When the prices were last compared with the pages they come from.
pub(super) const AS_OF: &str = "mid-2025";

/// What one thing costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Price {
    /// What is billed.
    pub(super) what: &'static str,
    /// Dollars for one of it.
    pub(super) dollars: f64,
    /// The public page.
    pub(super) source: &'static str,
}

const MILLION: f64 = 1_000_000.0;

macro_rules! prices {
    ($($name:ident: $what:literal, $dollars:expr, $source:literal;)*) => {
        $(pub(super) const $name: Price = Price { what: $what, dollars: $dollars, source: $source };)*
    };
}

prices! {
    // HTTP APIs, the first 300 million a month; a request counts for each 512 KB.
    API_REQUEST: "API Gateway requests", 1.00 / MILLION, "aws.amazon.com/api-gateway/pricing";
    LAMBDA_REQUEST: "Lambda requests", 0.20 / MILLION, "aws.amazon.com/lambda/pricing";
    LAMBDA_GB_SECOND: "Lambda GB-seconds (arm64)", 0.000_013_333_4, "aws.amazon.com/lambda/pricing";
    // On-demand, Standard class, since November 2024.
    DYNAMODB_READ: "DynamoDB read units", 0.125 / MILLION, "aws.amazon.com/dynamodb/pricing/on-demand";
    DYNAMODB_WRITE: "DynamoDB write units", 0.625 / MILLION, "aws.amazon.com/dynamodb/pricing/on-demand";
    DYNAMODB_GB: "DynamoDB storage, GB-month", 0.25, "aws.amazon.com/dynamodb/pricing/on-demand";
    DYNAMODB_PITR_GB: "DynamoDB point-in-time recovery, GB-month", 0.20, "aws.amazon.com/dynamodb/pricing/on-demand";
    // Standard queues; a request counts for each 64 KB.
    SQS_REQUEST: "SQS requests", 0.40 / MILLION, "aws.amazon.com/sqs/pricing";
    S3_WRITE: "S3 writes (put, part, completion)", 5.0 / MILLION, "aws.amazon.com/s3/pricing";
    S3_READ: "S3 reads", 0.40 / MILLION, "aws.amazon.com/s3/pricing";
    S3_GB: "S3 storage, GB-month", 0.023, "aws.amazon.com/s3/pricing";
    SECRET: "Secrets", 0.40, "aws.amazon.com/secrets-manager/pricing";
    SECRET_CALL: "Secrets Manager calls", 5.0 / MILLION, "aws.amazon.com/secrets-manager/pricing";
    KMS_KEY: "KMS keys", 1.00, "aws.amazon.com/kms/pricing";
    KMS_REQUEST: "KMS requests, at most", 3.0 / MILLION, "aws.amazon.com/kms/pricing";
    LOG_GB: "CloudWatch Logs, GB taken in", 0.50, "aws.amazon.com/cloudwatch/pricing";
    METRIC: "Custom metrics", 0.30, "aws.amazon.com/cloudwatch/pricing";
    ALARM_METRIC: "Metrics watched by alarms", 0.10, "aws.amazon.com/cloudwatch/pricing";
    DASHBOARD: "Dashboards", 3.00, "aws.amazon.com/cloudwatch/pricing";
    TRACE: "X-Ray traces, at most", 5.0 / MILLION, "aws.amazon.com/xray/pricing";
    SCHEDULED: "EventBridge Scheduler invocations", 1.0 / MILLION, "aws.amazon.com/eventbridge/pricing";
}
