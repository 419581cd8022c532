//! Individual Access on one machine: every function in its own processes through the real Lambda runtime, over embedded
//! AWS, against a stand-in for Metriport. It also plays a person's app and browser.
//!
//! The functions and their settings come from the project's own `template.yaml`. The functions do not know that this is
//! not AWS. The crate has no commands: a binary that starts a [`Sandbox`] has its own options and output.

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
