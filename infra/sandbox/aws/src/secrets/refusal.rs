//! Refusals of Secrets Manager (docs.aws.amazon.com, AWS Secrets Manager API reference, each action's "Errors").

use crate::json_protocol;
use axum::http::StatusCode;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Secrets Manager can't find the specified secret.")]
    SecretNotFound,
    #[error("Secrets Manager can't find the specified secret value for {0}.")]
    VersionNotFound(String),
    #[error("The operation failed because the secret {0} already exists.")]
    SecretExists(String),
    #[error("You can't use ClientRequestToken {0} because that value is already in use for a version of secret {1}.")]
    TokenReused(String, String),
    #[error("{0}")]
    InvalidParameter(String),
    #[error("{0}")]
    InvalidRequest(String),
    #[error("The sandbox does not support the operation {0}.")]
    NotEmbedded(String),
    #[error("The request body is not the JSON document that the operation expects.")]
    Serialization,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::NotEmbedded(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Refusal::SecretNotFound | Refusal::VersionNotFound(_) => "ResourceNotFoundException",
            Refusal::SecretExists(_) | Refusal::TokenReused(..) => "ResourceExistsException",
            Refusal::InvalidParameter(_) => "InvalidParameterException",
            Refusal::InvalidRequest(_) => "InvalidRequestException",
            Refusal::NotEmbedded(_) => json_protocol::NOT_EMBEDDED,
            Refusal::Serialization => "SerializationException",
        }
    }
}
