//! The parts that functions share: the pure domain, and the adapters between it and the outside.
//!
//! Dependencies point downwards only, which a test checks:
//!
//! - [`edge`] (the parts of functions besides their steps) uses the adapters: [`store`], [`queue`], [`metriport`],
//!   [`records`], [`webhook`] and [`secrets`];
//! - no adapter uses another; they use [`metrics`], [`aws`], [`config`] and others, which every adapter needs;
//! - all of these use the [`mod@ports`], the messages ([`message`]) and [`domain`];
//! - [`domain`] uses nothing.

pub mod allocator;
pub mod aws;
pub mod clock;
pub mod config;
pub mod deployment;
pub mod domain;
pub mod edge;
pub mod idempotency;
pub mod message;
pub mod metrics;
pub mod metriport;
pub mod owner;
pub mod ports;
pub mod queue;
pub mod records;
pub mod roots;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod webhook;

pub use edge::error::Error;
