//! Failures to start, fill or stop the embedded AWS. Each service defines its own refusals of requests.

use std::path::PathBuf;

/// A failure to start, fill or stop the embedded AWS. No variant carries stored data or a secret's value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No loopback port could be bound.
    #[error("no loopback port to listen on")]
    Listen(#[source] std::io::Error),
    /// The data directory could not be read or written.
    #[error("cannot use {}", path.display())]
    DataDir {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Another process has the data directory open. Two processes would overwrite each other's queues.
    #[error("{} is in use by another sandbox", path.display())]
    DataDirInUse {
        /// The data directory.
        path: PathBuf,
    },
    /// A file of the data directory is not in this version's format.
    #[error("{} is damaged or of another version", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The parser's error.
        #[source]
        source: serde_json::Error,
    },
    /// The embedded DynamoDB did not open its database, or refused a table or items.
    #[error("the embedded DynamoDB refused")]
    DynamoDb(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The embedded S3 did not start, or refused a bucket's name.
    #[error("the embedded S3 refused: {0}")]
    S3(String),
    /// SQS refused a queue, with the reason that AWS would give.
    #[error("SQS refused: {0}")]
    Sqs(String),
    /// Secrets Manager refused a secret, with the reason that AWS would give.
    #[error("Secrets Manager refused: {0}")]
    Secrets(String),
    /// KMS refused a key or an alias, with the reason that AWS would give.
    #[error("KMS refused: {0}")]
    Kms(String),
}
