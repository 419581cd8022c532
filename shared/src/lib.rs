//! The parts that functions share: the pure domain, and the adapters between it and other services.
//!
//! Dependencies point only downwards in this list; a test checks that:
//!
//! - [`edge`] (the parts of functions besides their steps) uses the adapters: [`store`], [`queue`], [`metriport`],
//!   [`records`], [`webhook`], [`secrets`] and [`seals`];
//! - an adapter uses no other adapter, only modules that all adapters need, such as [`metrics`], [`aws`] and
//!   [`config`];
//! - all modules above use the [`mod@ports`], the messages ([`message`]) and [`domain`];
//! - [`domain`] uses no other module.

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
pub mod seals;
pub mod secrets;
pub mod store;
pub mod telemetry;
pub mod webhook;

pub use edge::error::Error;
