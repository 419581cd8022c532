//! What the functions share: the pure domain, and the adapters through which it meets the world.
//!
//! Dependencies point one way: functions use adapters, adapters use [`domain`], and `domain` uses nothing.

pub mod allocator;
pub mod aws;
pub mod budget;
pub mod clock;
pub mod config;
pub mod domain;
pub mod error;
pub mod http;
pub mod idempotency;
pub mod init;
pub mod metrics;
pub mod metriport;
pub mod owner;
pub mod ports;
pub mod queue;
pub mod records;
pub mod redirects;
pub mod roots;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod webhook;

pub use error::Error;
