//! Tests the Metriport client against listeners on loopback: the requests that it sends, and how it reads the answers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod bodies;
mod contradictions;
mod effects;
mod key_rotation;
mod leaks;
mod measures;
mod options;
mod requests;
mod security;
mod upstream;
