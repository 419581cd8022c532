//! Individual Access on one machine: every function in processes of its own through the real Lambda runtime, over
//! embedded AWS services, against a stand-in for Metriport.
//!
//! What runs, and with which settings, is read from the project's own `template.yaml`. Nothing in the functions knows
//! that it is not AWS.

pub mod account;
pub mod app;
pub mod browser;
pub mod burst;
mod chaos;
pub mod cli;
pub mod dead_letters;
pub mod explain;
mod faults;
pub mod functions;
pub mod privileges;
mod pull;
mod report;
pub mod sandbox;
mod simulate;
mod smoke;
mod stack;
mod stand_in;
mod up;

pub use faults::Faults;
pub use sandbox::{Sandbox, SandboxError, SandboxOptions};
