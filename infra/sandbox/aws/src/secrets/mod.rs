//! Secrets Manager over the AWS JSON 1.1 protocol: secrets with versions and staging labels, by name or ARN.
//!
//! [`store`] is pure and takes time and ids as arguments, [`operations`] translate the wire to it. Rotation by a
//! function, replication, resource policies, tags and random passwords are not here.

mod operations;
mod refusal;
mod server;
mod store;
mod version;

pub(crate) use server::{Secrets, start};
