//! The proofs over real processes and real sockets (`docs/reliability.md`): each plays many whole pulls over a sandbox
//! of its own, and judges what came of them.

pub mod burst;
mod chaos;
pub mod cli;
