//! AWS KMS over the AWS JSON 1.1 protocol, reduced to signing: `Sign` with `MessageType` `RAW` and `ECDSA_SHA_256`, and
//! `GetPublicKey`, of keys with `KeySpec` `ECC_NIST_P256`, by id, alias or ARN.
//!
//! [`store`] is pure and takes randomness as an argument; [`operations`] translate between the store and the wire. Not
//! implemented: encryption, digests, key policies, grants, rotation, deletion, and operations that this repository does
//! not call. [`crate::Aws::create_signing_key`] creates keys. Signatures of requests are not checked.

mod operations;
mod refusal;
mod server;
mod store;

pub(crate) use server::{Kms, start};
