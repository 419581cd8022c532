//! Refusals of SQS, each with its two names on the wire. One is the shape of the JSON protocol; the other is the code
//! in `x-amzn-query-error`, for SDKs of the older query protocol (docs.aws.amazon.com, Amazon SQS API reference,
//! "Common Error Types" and each action's "Errors").

use crate::json_protocol;
use axum::http::StatusCode;

/// A request that SQS refuses. AWS counts all of them as the sender's fault, except [`Refusal::NotEmbedded`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    #[error("The input receipt handle is invalid.")]
    ReceiptHandleIsInvalid,
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    #[error("Invalid value for the parameter {0}.")]
    InvalidAttributeValue(String),
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD \
         | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents,
    #[error("There should be at least one SendMessageBatchRequestEntry in the request.")]
    EmptyBatchRequest,
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
         It can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    #[error("Batch requests cannot be longer than 1048576 bytes. You have sent {0} bytes.")]
    BatchRequestTooLong(usize),
    #[error("The specified message isn't in flight.")]
    MessageNotInflight,
    #[error("Only one PurgeQueue operation on {0} is allowed every 60 seconds.")]
    PurgeQueueInProgress(String),
    #[error("{0}")]
    UnsupportedOperation(String),
    #[error("{0}")]
    InvalidParameterValue(String),
    #[error("{0}")]
    MissingParameter(String),
    #[error("The sandbox does not support the operation {0}.")]
    NotEmbedded(String),
    #[error("The request body is not the JSON document that the operation expects.")]
    Serialization,
}

impl Refusal {
    /// AWS's wording for a parameter that is out of bounds.
    pub(crate) fn out_of_bounds(value: impl std::fmt::Display, parameter: &str, bounds: &str) -> Refusal {
        Refusal::InvalidParameterValue(format!(
            "Value {value} for parameter {parameter} is invalid. Reason: Must be {bounds}, if provided."
        ))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Refusal::NotEmbedded(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The error's shape: `__type` in the reply's body.
    pub(crate) fn shape(&self) -> String {
        let (namespace, name) = match self {
            Refusal::InvalidParameterValue(_) => ("com.amazon.coral.service", "InvalidParameterValueException"),
            Refusal::MissingParameter(_) => ("com.amazon.coral.service", "MissingRequiredParameterException"),
            Refusal::Serialization => ("com.amazon.coral.service", "SerializationException"),
            _ => ("com.amazonaws.sqs", self.name()),
        };
        format!("{namespace}#{name}")
    }

    /// The error's code in the query protocol.
    pub(crate) fn query_code(&self) -> String {
        match self {
            Refusal::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue".to_owned(),
            Refusal::EmptyBatchRequest
            | Refusal::TooManyEntriesInBatchRequest(_)
            | Refusal::BatchEntryIdsNotDistinct(_)
            | Refusal::InvalidBatchEntryId
            | Refusal::BatchRequestTooLong(_)
            | Refusal::MessageNotInflight
            | Refusal::PurgeQueueInProgress(_)
            | Refusal::UnsupportedOperation(_) => format!("AWS.SimpleQueueService.{}", self.name()),
            _ => self.name().to_owned(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Refusal::QueueDoesNotExist => "QueueDoesNotExist",
            Refusal::ReceiptHandleIsInvalid => "ReceiptHandleIsInvalid",
            Refusal::InvalidAttributeName(_) => "InvalidAttributeName",
            Refusal::InvalidAttributeValue(_) => "InvalidAttributeValue",
            Refusal::InvalidMessageContents => "InvalidMessageContents",
            Refusal::EmptyBatchRequest => "EmptyBatchRequest",
            Refusal::TooManyEntriesInBatchRequest(_) => "TooManyEntriesInBatchRequest",
            Refusal::BatchEntryIdsNotDistinct(_) => "BatchEntryIdsNotDistinct",
            Refusal::InvalidBatchEntryId => "InvalidBatchEntryId",
            Refusal::BatchRequestTooLong(_) => "BatchRequestTooLong",
            Refusal::MessageNotInflight => "MessageNotInflight",
            Refusal::PurgeQueueInProgress(_) => "PurgeQueueInProgress",
            Refusal::UnsupportedOperation(_) => "UnsupportedOperation",
            Refusal::InvalidParameterValue(_) => "InvalidParameterValue",
            Refusal::MissingParameter(_) => "MissingParameter",
            Refusal::NotEmbedded(_) => json_protocol::NOT_EMBEDDED,
            Refusal::Serialization => "MalformedInput",
        }
    }
}
