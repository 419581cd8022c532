//! AWS on one machine: DynamoDB, SQS, S3, Secrets Manager, KMS and STS. Each has its own loopback listener and speaks
//! the wire protocol of unmodified AWS SDKs.
//!
//! The crate knows AWS's documented behaviour and nothing about the product: it names no table, queue or bucket.
//! Callers start it with [`Aws::start`], create what they need, and hand [`Aws::env`] to the processes that use it.
//! DynamoDB and S3 are existing emulators (`dynoxide`, `s3s-fs`); the others are written here.
//! `docs/decisions/0001-embedded-aws.md` gives the reasons with figures, and lists the features that each service
//! lacks.

mod ambient;
mod aws;
mod data_dir;
mod dynamodb;
mod error;
mod gate;
mod interception;
mod interceptor;
mod json_protocol;
mod kms;
mod listener;
mod meter;
mod privileges;
mod refused;
mod s3;
mod secrets;
mod serve;
mod sqs;
mod sts;

pub use aws::{Aws, AwsOptions, SECRET_ACCESS_KEY};
pub use dynamodb::{IndexProjection, IndexSpec, KeyAttribute, KeyKind, TableSpec};
pub use error::Error;
pub use gate::{Call, Observer, Service};
pub use interceptor::{Ending, Failure, FaultCounts, Interceptor, MessageInfo, Passage, SharedInterceptor, Verdict};
pub use meter::{Meter, Weight};
pub use privileges::{Authorizer, Lacking, Need};
pub use s3::{CorsRule, StoredFile, StoredFiles};
pub use sqs::{PeekedMessage, QueueDepths, QueueSpec, SqsHandle};

/// The account in every ARN and queue URL of the sandbox.
pub const ACCOUNT_ID: &str = "000000000000";
