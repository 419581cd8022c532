//! Secrets, read from Secrets Manager by the name or ARN that a variable holds.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::error::ProvideErrorMetadata;
use secrecy::SecretString;

use crate::config::{ConfigError, Env};
use crate::ports::{ApiKeyRead, ReadApiKey};

/// Time for reading the API key again while a call waits for it.
const AGAIN_TIMEOUT: Duration = Duration::from_secs(2);

/// A secret that cannot be read. Names the variable that points to it; reveals nothing of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret of {variable}: {problem}")]
pub struct SecretError {
    /// The variable that names the secret.
    pub variable: &'static str,
    /// The problem.
    pub problem: &'static str,
}

impl SecretError {
    /// The problem of a secret that does not exist or has no value yet: Secrets Manager gives both cases the same
    /// error.
    const NOTHING: &str = "does not exist or has no value yet";
    /// The problem of a secret with an empty value. Some emulators return an empty value for a secret that has no value
    /// yet.
    const EMPTY: &str = "is empty";

    /// Whether the secret does not exist or has no value yet. A failed read does not count.
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

/// Metriport's API key, in the secret that `METRIPORT_API_KEY_SECRET` names.
pub struct StoredApiKey {
    client: Client,
    env: Env,
}

impl StoredApiKey {
    /// Keeps the client and the variables; reads nothing yet.
    #[must_use]
    pub const fn new(client: Client, env: Env) -> Self {
        Self { client, env }
    }

    /// Reads the key.
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
