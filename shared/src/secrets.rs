//! Secrets, read from Secrets Manager by the name or ARN that a variable holds.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use secrecy::SecretString;

use crate::config::{ConfigError, Env};
use crate::ports::{ApiKeyRead, ReadApiKey};

/// How long the API key may take to be read again while a call waits for it.
const AGAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A secret that could not be had or read. Names the variable that points to it; says nothing of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret of {variable}: {problem}")]
pub struct SecretError {
    /// The variable that names the secret.
    pub variable: &'static str,
    /// What is wrong.
    pub problem: &'static str,
}

impl SecretError {
    /// What Secrets Manager says of a secret that was made without a value, in the same words as of one that was not
    /// made at all.
    const NOTHING: &str = "does not exist, or holds nothing yet";
    /// What some emulators make of one without a value.
    const EMPTY: &str = "is empty";

    /// Whether there is no value, rather than one that cannot be read.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        [Self::NOTHING, Self::EMPTY].contains(&self.problem)
    }
}

/// Reads the text of a secret.
///
/// # Errors
/// When the variable is missing, or the secret cannot be read, is binary, or is empty.
pub async fn text(client: &Client, env: &Env, variable: &'static str) -> Result<SecretString, SecretError> {
    let id = env
        .required(variable)
        .map_err(|ConfigError { name, problem }| SecretError {
            variable: name,
            problem,
        })?;
    let refused = |problem| Err(SecretError { variable, problem });
    let answer = match client.get_secret_value().secret_id(id).send().await {
        Ok(answer) => answer,
        Err(error) if error.code() == Some("ResourceNotFoundException") => return refused(SecretError::NOTHING),
        Err(_says_the_name) => return refused("cannot be read from Secrets Manager"),
    };
    match answer.secret_string.as_deref().map(str::trim) {
        None => refused("is binary; it must be text"),
        Some("") => refused(SecretError::EMPTY),
        Some(text) => Ok(text.into()),
    }
}

/// Metriport's API key in its secret, `METRIPORT_API_KEY_SECRET`.
pub struct StoredApiKey {
    client: Client,
    env: Env,
}

impl StoredApiKey {
    /// Reads nothing yet.
    #[must_use]
    pub const fn new(client: Client, env: Env) -> Self {
        Self { client, env }
    }

    /// Reads it.
    ///
    /// # Errors
    /// As [`text`].
    pub async fn read(&self) -> Result<SecretString, SecretError> {
        text(&self.client, &self.env, "METRIPORT_API_KEY_SECRET").await
    }
}

impl ReadApiKey for StoredApiKey {
    fn read_api_key(&self) -> ApiKeyRead<'_> {
        Box::pin(async {
            match tokio::time::timeout(AGAIN_TIMEOUT, self.read()).await {
                Ok(Ok(key)) => Some(key),
                Ok(Err(error)) => {
                    tracing::error!(context = %error, "the API key was refused and could not be read again");
                    None
                }
                Err(_elapsed) => {
                    tracing::error!("the API key was refused and was not read again in time");
                    None
                }
            }
        })
    }
}
