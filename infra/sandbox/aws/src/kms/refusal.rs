//! Refusals of KMS (docs.aws.amazon.com, AWS KMS API reference, the "Errors" of `Sign` and `GetPublicKey`).

use crate::json_protocol;
use axum::http::StatusCode;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("Key '{0}' does not exist")]
    NotFound(String),
    #[error("Algorithm {0} is incompatible with key spec ECC_NIST_P256.")]
    InvalidKeyUsage(String),
    #[error("{0}")]
    Validation(String),
    #[error("Alias must start with the prefix \"alias/\".")]
    InvalidAlias,
    #[error("The sandbox does not support {0}.")]
    NotEmbedded(String),
    #[error("The request body is not the JSON document that the operation expects.")]
    Serialization,
    #[error("The request was rejected because of an internal exception.")]
    Internal,
}

impl Refusal {
    pub(super) fn status(&self) -> StatusCode {
        match self {
            Refusal::NotEmbedded(_) => StatusCode::NOT_IMPLEMENTED,
            Refusal::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    pub(super) fn code(&self) -> &'static str {
        match self {
            Refusal::NotFound(_) => "NotFoundException",
            Refusal::InvalidKeyUsage(_) => "InvalidKeyUsageException",
            Refusal::Validation(_) | Refusal::InvalidAlias => "ValidationException",
            Refusal::NotEmbedded(_) => json_protocol::NOT_EMBEDDED,
            Refusal::Serialization => "SerializationException",
            Refusal::Internal => "KMSInternalException",
        }
    }
}
