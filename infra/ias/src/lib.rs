//! `ias`, the command of Individual Access: a person's pull on one machine, and the operator's work on a deployment.
//!
//! This crate has the commands, their options and their output; `sandbox_machine` runs the stack.

pub mod account;
pub mod cli;
pub mod dead_letters;
pub mod explain;
mod pull;
pub mod report;
mod smoke;
mod stand_in;
mod up;
mod verify_log;
mod verify_receipt;
