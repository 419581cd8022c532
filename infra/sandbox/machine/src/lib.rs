//! Individual Access on one machine. Every function runs in its own processes, with the real Lambda runtime, over
//! embedded AWS and against a stand-in for Metriport. The crate also contains a person's app and browser.
//!
//! The functions and their settings come from the project's own `template.yaml`. The functions cannot tell the sandbox
//! from AWS. The crate has no commands; a binary that starts a [`Sandbox`] defines its own options and output.

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
