//! AWS clients, built directly from Lambda's environment variables.
//!
//! The SDK's usual configuration chain probes profiles, files and the instance metadata service, and reads the system's
//! certificates. On Lambda, environment variables hold region and credentials, and AWS's own roots suffice. Without the
//! probes and the system's certificates, a function saves most of the start-up time. Endpoints follow the SDKs'
//! standard variables (`AWS_ENDPOINT_URL`, `AWS_ENDPOINT_URL_<SERVICE>`), so the same clients talk to emulators.

use std::sync::OnceLock;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use crate::config::{ConfigError, Env};
use crate::roots::ExtraRoots;

/// The roots to which AWS service endpoints chain (amazontrust.com, "Root CAs"): Amazon Root CA 1 to 4 and Starfield
/// Services Root CA G2.
const AMAZON_ROOTS: &[u8] = include_bytes!("aws/amazon-roots.pem");

/// The configuration of all clients, and the clients themselves. Each client is made on its first use.
pub struct Aws {
    env: Env,
    http: SharedHttpClient,
    region: Region,
    credentials: Credentials,
    clients: Clients,
}

#[derive(Default)]
struct Clients {
    dynamodb: OnceLock<aws_sdk_dynamodb::Client>,
    sqs: OnceLock<aws_sdk_sqs::Client>,
    secrets: OnceLock<aws_sdk_secretsmanager::Client>,
    s3: OnceLock<aws_sdk_s3::Client>,
    #[cfg(feature = "sts")]
    sts: OnceLock<aws_sdk_sts::Client>,
    #[cfg(feature = "kms")]
    kms: OnceLock<aws_sdk_kms::Client>,
}

macro_rules! client {
    (
        $(#[$doc:meta])*
        $name:ident, $sdk:ident, $endpoint:literal, $attempt_secs:literal $(, $more:ident($value:expr))*
    ) => {
        $(#[$doc])*
        #[must_use]
        pub fn $name(&self) -> $sdk::Client {
            let make = || {
                let mut config = $sdk::Config::builder()
                    .behavior_version(BehaviorVersion::latest())
                    .region(self.region.clone())
                    .credentials_provider(self.credentials.clone())
                    .http_client(self.http.clone())
                    .retry_config(RetryConfig::standard().with_max_attempts(3))
                    .timeout_config(timeouts($attempt_secs));
                config.set_endpoint_url(self.endpoint($endpoint));
                $(config = config.$more($value(self));)*
                $sdk::Client::from_conf(config.build())
            };
            self.clients.$name.get_or_init(make).clone()
        }
    };
}

impl Aws {
    /// Reads region and credentials.
    ///
    /// # Errors
    /// Fails if one of the variables that Lambda sets is missing, or if the bundled roots are unreadable.
    pub fn read(env: &Env) -> Result<Self, ConfigError> {
        Self::trusting(env, &ExtraRoots::default())
    }

    /// Reads region and credentials, and trusts extra roots besides the bundled ones.
    ///
    /// # Errors
    /// As [`Self::read`]. It also fails if the extra roots are unreadable.
    pub fn trusting(env: &Env, roots: &ExtraRoots) -> Result<Self, ConfigError> {
        let region = Region::new(env.required("AWS_REGION")?.to_owned());
        let session_token = env.optional("AWS_SESSION_TOKEN").map(str::to_owned);
        let (id, secret) = (
            env.required("AWS_ACCESS_KEY_ID")?,
            env.required("AWS_SECRET_ACCESS_KEY")?,
        );
        let credentials = Credentials::new(id, secret, session_token, None, "lambda-environment");
        Ok(Self {
            env: env.clone(),
            http: http_client(roots)?,
            region,
            credentials,
            clients: Clients::default(),
        })
    }

    client!(/// DynamoDB.
        dynamodb, aws_sdk_dynamodb, "AWS_ENDPOINT_URL_DYNAMODB", 2);
    client!(/// SQS.
        sqs, aws_sdk_sqs, "AWS_ENDPOINT_URL_SQS", 2);
    client!(/// Secrets Manager.
        secrets, aws_sdk_secretsmanager, "AWS_ENDPOINT_URL_SECRETS_MANAGER", 2);
    client!(/// S3. A custom endpoint has no host per bucket, so it implies path style.
        s3, aws_sdk_s3, "AWS_ENDPOINT_URL_S3", 20, force_path_style(Self::own_s3));
    #[cfg(feature = "sts")]
    client!(/// STS.
        sts, aws_sdk_sts, "AWS_ENDPOINT_URL_STS", 2);
    #[cfg(feature = "kms")]
    client!(/// KMS.
        kms, aws_sdk_kms, "AWS_ENDPOINT_URL_KMS", 2);

    fn endpoint(&self, variable: &str) -> Option<String> {
        self.env
            .optional(variable)
            .or_else(|| self.env.optional("AWS_ENDPOINT_URL"))
            .map(str::to_owned)
    }

    fn own_s3(&self) -> bool {
        self.endpoint("AWS_ENDPOINT_URL_S3").is_some()
    }
}

/// AWS answers small requests in milliseconds. A slow request usually means that its connection died while Lambda had
/// frozen the process. The timeout is short, so that another attempt can help while the caller still waits. An attempt
/// at S3 gets more time, because it may carry one part of a record.
fn timeouts(attempt_secs: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(1))
        .operation_attempt_timeout(Duration::from_secs(attempt_secs))
        .build()
}

fn http_client(extra: &ExtraRoots) -> Result<SharedHttpClient, ConfigError> {
    let roots = TrustStore::empty().with_pem_certificate(AMAZON_ROOTS);
    let roots = match extra.pem() {
        Some(pem) => roots.with_pem_certificate(pem),
        None => roots,
    };
    let Ok(context) = TlsContext::builder().with_trust_store(roots).build() else {
        return Err(ConfigError {
            name: "AWS roots",
            problem: "the bundled or extra certificates are unreadable",
        });
    };
    Ok(Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}

/// The code of an AWS error, or the reason why no answer came. The error's message is left out, because it may quote
/// the request.
pub(crate) fn aws_code<E: ProvideErrorMetadata, R>(error: &SdkError<E, R>) -> &str {
    match error {
        SdkError::ServiceError(service) => service.err().code().unwrap_or("unnamed"),
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(_) => "connection",
        SdkError::ResponseError(_) => "unreadable response",
        _ => "not sent",
    }
}
