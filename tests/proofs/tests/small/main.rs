//! Proofs in a small size, for every change; docs/reliability.md has the figures of large ones.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod burst;
mod erase;
mod noisy;
mod rotation;
mod trial;
mod withdraw;
