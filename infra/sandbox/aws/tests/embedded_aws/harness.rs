//! An embedded AWS and SDK clients for it.

use aws_credential_types::Credentials;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use sandbox_aws::{Authorizer, Aws, AwsOptions, Interceptor, Meter, Observer, SECRET_ACCESS_KEY, Service};
use std::fmt::Debug;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

pub const REGION: &str = "eu-central-1";

pub async fn start() -> Aws {
    start_with(None, None).await
}

pub async fn start_in(data_dir: &Path) -> Aws {
    start_with(Some(data_dir), None).await
}

pub async fn start_with(data_dir: Option<&Path>, observer: Option<Observer>) -> Aws {
    let data_dir = data_dir.map(Path::to_owned);
    Aws::start(AwsOptions {
        data_dir,
        region: REGION.to_owned(),
        observer,
        meter: None,
        authorizer: None,
        interceptor: None,
        time_scale: 1,
    })
    .await
    .unwrap()
}

pub async fn start_intercepted(interceptor: impl Interceptor + 'static) -> Aws {
    Aws::start(AwsOptions {
        data_dir: None,
        region: REGION.to_owned(),
        observer: None,
        meter: None,
        authorizer: None,
        interceptor: Some(Arc::new(interceptor)),
        time_scale: 1,
    })
    .await
    .unwrap()
}

pub async fn start_metered(meter: Meter) -> Aws {
    Aws::start(AwsOptions {
        data_dir: None,
        region: REGION.to_owned(),
        observer: None,
        meter: Some(meter),
        authorizer: None,
        interceptor: None,
        time_scale: 1,
    })
    .await
    .unwrap()
}

pub async fn start_authorized(authorizer: Authorizer) -> Aws {
    Aws::start(AwsOptions {
        data_dir: None,
        region: REGION.to_owned(),
        observer: None,
        meter: None,
        authorizer: Some(authorizer),
        interceptor: None,
        time_scale: 1,
    })
    .await
    .unwrap()
}

pub fn credentials(key_id: &str) -> Credentials {
    Credentials::new(key_id, SECRET_ACCESS_KEY, None, None, "test")
}

/// Builds the client of one SDK crate. The builders share methods but no trait.
macro_rules! client {
    ($sdk:ident, $aws:expr, $service:expr) => {{
        let config = $sdk::Config::builder()
            .behavior_version($sdk::config::BehaviorVersion::latest())
            .region($sdk::config::Region::new($crate::harness::REGION))
            .endpoint_url($aws.endpoint($service))
            .credentials_provider($crate::harness::credentials("test-caller"))
            .retry_config($sdk::config::retry::RetryConfig::disabled())
            .http_client(aws_smithy_http_client::Builder::new().build_http());
        config
    }};
}

pub fn dynamodb(aws: &Aws) -> aws_sdk_dynamodb::Client {
    aws_sdk_dynamodb::Client::from_conf(client!(aws_sdk_dynamodb, aws, Service::DynamoDb).build())
}

/// A client that makes three attempts, as the functions do, but with shorter pauses.
pub fn patient_dynamodb(aws: &Aws) -> aws_sdk_dynamodb::Client {
    let retries = aws_sdk_dynamodb::config::retry::RetryConfig::standard()
        .with_max_attempts(3)
        .with_initial_backoff(Duration::from_millis(1));
    let config = client!(aws_sdk_dynamodb, aws, Service::DynamoDb).retry_config(retries);
    aws_sdk_dynamodb::Client::from_conf(config.build())
}

pub fn sqs(aws: &Aws) -> aws_sdk_sqs::Client {
    aws_sdk_sqs::Client::from_conf(client!(aws_sdk_sqs, aws, Service::Sqs).build())
}

pub fn secrets(aws: &Aws) -> aws_sdk_secretsmanager::Client {
    aws_sdk_secretsmanager::Client::from_conf(client!(aws_sdk_secretsmanager, aws, Service::SecretsManager).build())
}

pub fn kms(aws: &Aws) -> aws_sdk_kms::Client {
    aws_sdk_kms::Client::from_conf(client!(aws_sdk_kms, aws, Service::Kms).build())
}

pub fn sts(aws: &Aws) -> aws_sdk_sts::Client {
    sts_as(aws, credentials("test-caller"))
}

pub fn sts_as(aws: &Aws, credentials: Credentials) -> aws_sdk_sts::Client {
    let config = client!(aws_sdk_sts, aws, Service::Sts).credentials_provider(credentials);
    aws_sdk_sts::Client::from_conf(config.build())
}

pub fn s3(aws: &Aws) -> aws_sdk_s3::Client {
    s3_as(aws, credentials("test-caller"))
}

pub fn s3_as(aws: &Aws, credentials: Credentials) -> aws_sdk_s3::Client {
    let config = client!(aws_sdk_s3, aws, Service::S3)
        .force_path_style(true)
        .credentials_provider(credentials);
    aws_sdk_s3::Client::from_conf(config.build())
}

/// The error code of a refusal.
pub fn code<T: Debug, E: ProvideErrorMetadata + Debug>(outcome: Result<T, E>) -> String {
    outcome.unwrap_err().code().unwrap_or("none").to_owned()
}
