//! SQS standard queues over the AWS JSON 1.0 protocol.
//!
//! The core is pure and takes time as an argument: a [`queue`] is a state machine, and the [`account`] moves dead
//! letters between queues. The [`broker`] puts one account behind a lock and makes receivers wait. [`operations`]
//! translate between the broker and the wire. Not implemented: FIFO queues, permissions, encryption, and operations
//! that this repository does not call. Signatures are not checked, and messages in flight have no limit. Messages
//! arrive nearly in order, and only an interceptor makes duplicates. AWS promises neither order nor single delivery.

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
