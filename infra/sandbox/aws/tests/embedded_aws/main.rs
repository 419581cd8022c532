//! The embedded AWS as unmodified SDKs see it, over real sockets on loopback.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and signs links with a past time"
)]

mod dynamodb;
mod faults;
mod harness;
mod kms;
mod meter;
mod not_embedded;
mod observer;
mod privileges;
mod s3;
mod secrets;
mod sqs;
mod sts;
