//! The host as its users see it: real processes on `lambda_runtime`, real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must stop"
)]

mod harness;
mod http;
mod interference;
mod invoke;
mod lifecycle;
mod queue;
mod schedule;
mod template;
