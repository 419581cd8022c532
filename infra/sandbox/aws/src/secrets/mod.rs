//! Secrets Manager over the AWS JSON 1.1 protocol: secrets with versions and staging labels, by name or ARN.
//!
//! [`store`] is pure and takes time and ids as arguments; [`operations`] translate between the store and the wire. Not
//! implemented: rotation by a function, replication, resource policies, and operations that this repository does not
//! call. Operations can read tags but not set them; [`crate::Aws::tag_secret`] sets them. Descriptions are not stored,
//! a list is one page, and signatures are not checked.

mod operations;
mod refusal;
mod server;
mod store;
mod version;

pub(crate) use server::{Secrets, start};
