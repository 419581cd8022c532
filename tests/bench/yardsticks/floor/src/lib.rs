//! The parts of floors: each binary takes what its function needs, and the linker leaves out the rest.

use std::env;
use std::hint::black_box;
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
pub use lambda_runtime::Error;
use lambda_runtime::{LambdaEvent, service_fn};
use rustls::{ClientConfig, RootCertStore};
use serde_json::{Value, json};

// As the functions have it.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// What every SDK client is made of.
pub struct Aws {
    http: SharedHttpClient,
    region: Region,
    credentials: Credentials,
    endpoint: Option<String>,
}

macro_rules! client {
    ($name:ident, $sdk:ident $(, $more:ident)*) => {
        pub fn $name(&self) -> $sdk::Client {
            let mut config = $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(self.region.clone())
                .credentials_provider(self.credentials.clone())
                .http_client(self.http.clone());
            config.set_endpoint_url(self.endpoint.clone());
            $(config = config.$more(true);)*
            black_box($sdk::Client::from_conf(config.build()))
        }
    };
}

impl Aws {
    pub fn read() -> Result<Self, Error> {
        let credentials = Credentials::new(
            env::var("AWS_ACCESS_KEY_ID")?,
            env::var("AWS_SECRET_ACCESS_KEY")?,
            env::var("AWS_SESSION_TOKEN").ok(),
            None,
            "environment",
        );
        Ok(Self {
            http: http_client()?,
            region: Region::new(env::var("AWS_REGION")?),
            credentials,
            endpoint: env::var("AWS_ENDPOINT_URL").ok(),
        })
    }

    client!(dynamodb, aws_sdk_dynamodb);
    client!(s3, aws_sdk_s3, force_path_style);
    client!(secrets, aws_sdk_secretsmanager);
    client!(sqs, aws_sdk_sqs);
}

/// Trusts the roots that the function has built in, and the test's beside them.
fn http_client() -> Result<SharedHttpClient, Error> {
    let roots = TrustStore::empty()
        .with_pem_certificate(include_bytes!("../../../../../shared/src/aws/amazon-roots.pem").as_slice());
    let roots = match env::var("EXTRA_ROOTS_FILE") {
        Ok(path) => roots.with_pem_certificate(std::fs::read(path)?),
        Err(_) => roots,
    };
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(TlsContext::builder().with_trust_store(roots).build()?)
        .build_https())
}

/// The client upstream.
pub fn upstream() -> Result<reqwest::Client, Error> {
    let roots = RootCertStore {
        roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
    };
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .no_proxy()
        .build()?;
    Ok(black_box(client))
}

/// Logs as JSON, at one level.
pub fn telemetry() {
    tracing_subscriber::fmt().json().with_ansi(false).init();
}

/// Reads the secrets it is told to.
pub async fn read_secrets(client: &aws_sdk_secretsmanager::Client) -> Result<(), Error> {
    for id in env::var("YARDSTICK_SECRETS").unwrap_or_default().split_terminator(',') {
        client.get_secret_value().secret_id(id).send().await?;
    }
    Ok(())
}

/// Takes events of queues and schedules.
pub async fn serve_events() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| Ok::<_, Error>(json!({})))).await
}

/// Takes requests of API Gateway.
pub async fn serve_requests() -> Result<(), Error> {
    let reply = async |_: lambda_http::Request| Ok::<_, Error>(json!({}));
    lambda_http::run(lambda_http::service_fn(reply)).await
}
