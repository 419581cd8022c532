//! Secrets, read from Secrets Manager by the name or ARN that a variable holds.

use aws_sdk_secretsmanager::Client;
use secrecy::SecretString;

use crate::config::{ConfigError, Env};

/// A secret that could not be had or read. Names the variable that points to it; says nothing of its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("secret of {variable}: {problem}")]
pub struct SecretError {
    /// The variable that names the secret.
    pub variable: &'static str,
    /// What is wrong.
    pub problem: &'static str,
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
    let Ok(answer) = client.get_secret_value().secret_id(id).send().await else {
        return Err(SecretError {
            variable,
            problem: "cannot be read from Secrets Manager",
        });
    };
    match answer.secret_string.as_deref().map(str::trim) {
        None => Err(SecretError {
            variable,
            problem: "is binary; it must be text",
        }),
        Some("") => Err(SecretError {
            variable,
            problem: "is empty",
        }),
        Some(text) => Ok(text.into()),
    }
}
