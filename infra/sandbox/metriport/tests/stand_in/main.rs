//! The stand-in over real sockets on 127.0.0.1.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod bench;
mod faults;
mod flow;
mod gateway;
mod journal;
mod links;
mod plans;
mod webhook_plans;
mod webhooks;
