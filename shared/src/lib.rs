//! What the functions share: the pure domain, and the adapters through which it meets the world.
//!
//! Dependencies point one way, downwards: [`edge`] (what functions are made of) uses the adapters ([`store`],
//! [`queue`], [`metriport`], [`records`], [`webhook`], [`secrets`]), of which none uses another; these use what every
//! adapter needs ([`metrics`], [`aws`], [`config`] and others), the [`mod@ports`], the messages that travel
//! ([`message`]) and [`domain`], which uses nothing. A test holds the order.

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
