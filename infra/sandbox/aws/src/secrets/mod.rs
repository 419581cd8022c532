//! Secrets Manager over the AWS JSON 1.1 protocol: secrets with versions and staging labels, by name or ARN.
//!
//! [`store`] is pure and takes time and ids as arguments, [`operations`] translate the wire to it. Operations
//! that nothing in this repository calls, rotation by a function, replication and resource policies are not here. Tags
//! are set by the one who makes the secrets and can be read; no operation sets them.

mod operations;
mod refusal;
mod server;
mod store;
mod version;

pub(crate) use server::{Secrets, start};
