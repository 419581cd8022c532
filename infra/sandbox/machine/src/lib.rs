//! Individual Access on one machine: every function in processes of its own through the real Lambda runtime, over
//! embedded AWS services, against a stand-in for Metriport; and the app and the browser of a person who uses it.
//!
//! What runs, and with which settings, is read from the project's own `template.yaml`. Nothing in the functions knows
//! that it is not AWS. Nothing here knows a command: a binary that starts a [`Sandbox`] parses its own options and
//! prints its own output.

pub mod app;
pub mod browser;
mod faults;
pub mod functions;
pub mod pace;
pub mod privileges;
pub mod sandbox;
pub mod stack;

pub use faults::Faults;
pub use sandbox::{Sandbox, SandboxError, SandboxOptions};
