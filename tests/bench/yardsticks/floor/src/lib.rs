//! The floors of functions. Each binary makes the parts (clients, secrets) that its function needs, and the linker
//! leaves out the rest.

use std::env;
use std::hint::black_box;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
pub use lambda_runtime::Error;
use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use tracing::level_filters::LevelFilter;

// The functions use the same allocator.
#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

/// Defines the main function of a floor that ignores its events. The arguments are the kind of events and the parts to
/// make.
#[macro_export]
macro_rules! floor {
    ($serve:ident: $($part:ident),+) => {
        #[tokio::main(flavor = "current_thread")]
        async fn main() -> Result<(), $crate::Error> {
            let parts = $crate::Parts::read()?;
            let parts = ($(parts.$part().await?,)+);
            $crate::$serve().await?;
            drop(parts);
            Ok(())
        }
    };
}

/// Makes the parts as directly as possible.
pub struct Parts {
    http: SharedHttpClient,
    region: Region,
    credentials: Credentials,
}

macro_rules! client {
    ($name:ident, $sdk:ident, $endpoint:literal $(, $more:ident)*) => {
        pub async fn $name(&self) -> Result<$sdk::Client, Error> {
            let config = $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(self.region.clone())
                .credentials_provider(self.credentials.clone())
                .http_client(self.http.clone())
                .endpoint_url(env::var($endpoint)?)
                $(.$more(true))*;
            Ok(black_box($sdk::Client::from_conf(config.build())))
        }
    };
}

impl Parts {
    /// Reads the environment, and starts to log as the functions do.
    pub fn read() -> Result<Self, Error> {
        let logs = tracing_subscriber::fmt().json().with_ansi(false);
        logs.with_max_level(LevelFilter::WARN).init();
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
        })
    }

    client!(dynamodb, aws_sdk_dynamodb, "AWS_ENDPOINT_URL_DYNAMODB");
    client!(s3, aws_sdk_s3, "AWS_ENDPOINT_URL_S3", force_path_style);
    client!(sqs, aws_sdk_sqs, "AWS_ENDPOINT_URL_SQS");
    client!(
        secrets_manager,
        aws_sdk_secretsmanager,
        "AWS_ENDPOINT_URL_SECRETS_MANAGER"
    );

    /// The function's secrets, read one after the other.
    pub async fn secrets(&self) -> Result<Vec<String>, Error> {
        let client = self.secrets_manager().await?;
        let mut secrets = Vec::new();
        for (_, id) in env::vars().filter(|(name, _)| name.ends_with("_SECRET")) {
            let secret = client.get_secret_value().secret_id(id).send().await?;
            secrets.extend(secret.secret_string);
        }
        Ok(secrets)
    }

    /// The client for Metriport.
    pub async fn upstream(&self) -> Result<reqwest::Client, Error> {
        let mut roots = rustls::RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let tls = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
        Ok(black_box(client.build()?))
    }
}

/// Trusts the roots that the functions have built in, and the root of the benchmark's TLS listeners.
fn http_client() -> Result<SharedHttpClient, Error> {
    let roots = include_bytes!("../../../../../shared/src/aws/amazon-roots.pem").as_slice();
    let roots = TrustStore::empty()
        .with_pem_certificate(roots)
        .with_pem_certificate(std::fs::read(env::var("EXTRA_ROOTS_FILE")?)?);
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(TlsContext::builder().with_trust_store(roots).build()?)
        .build_https())
}

/// Receives events of queues and schedules, and ignores them.
pub async fn events() -> Result<(), Error> {
    lambda_runtime::run(service_fn(async |_: LambdaEvent<Value>| Ok::<_, Error>(json!({})))).await
}

/// Receives requests of API Gateway, and ignores them.
pub async fn requests() -> Result<(), Error> {
    let reply = async |_: lambda_http::Request| Ok::<_, Error>(json!({}));
    lambda_http::run(lambda_http::service_fn(reply)).await
}
