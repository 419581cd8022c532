//! SQS standard queues over the AWS JSON 1.0 protocol.
//!
//! The core is pure and takes time as an argument: a [`queue`] is a state machine, the [`account`] moves dead letters
//! between queues. The [`broker`] puts one account behind a lock and makes receivers wait. [`operations`] translate
//! between it and the wire, one file per concern. Not implemented: FIFO queues, permissions, encryption, and operations
//! that nothing in this repository calls. Signatures are not checked, and messages in flight have no limit. Messages
//! arrive nearly in order and without duplicates of SQS's own making, which AWS does not promise.

mod account;
mod broker;
mod digest;
mod handle;
mod message;
mod operations;
mod pace;
mod queue;
mod receipt;
mod refusal;
mod server;
mod settings;
mod snapshot;

pub use handle::{PeekedMessage, QueueSpec, SqsHandle};
pub use queue::QueueDepths;
pub(crate) use server::{Sqs, start};
