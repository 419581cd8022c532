//! What measured functions live in: a Runtime API, and everything they call, over TLS on loopback, in this process.
//!
//! The other side answers from memory, so that what is measured is the function.

pub mod answers;
mod aws;
pub mod environment;
pub mod events;
mod metriport;
pub mod process;
pub mod pull;
mod runtime_api;
mod server;
mod table;
mod tls;
pub mod vitals;
pub mod world;
