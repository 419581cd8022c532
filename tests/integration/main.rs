//! Integration tests: the real functions run in their own processes, over the sandbox.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod harness;

mod aal2;
mod access_log;
mod adoption;
mod assurance;
mod budget;
mod cli;
mod consent;
mod dead_letters;
mod erasure;
mod exports;
mod faults;
mod flow;
mod idempotency;
mod isolation;
mod leaks;
mod metrics;
mod openapi;
mod personas;
mod privileges;
mod quarantine;
mod races;
mod reconcile;
mod records;
mod refusals;
mod rotation;
mod round_trips;
mod template;
mod tidy;
mod trust;
mod webhooks;
mod wire;
