//! The proofs over real processes and real sockets (`docs/reliability.md`): each plays many whole pulls over a sandbox
//! of its own, and judges what came of them.

mod asking;
pub mod burst;
mod caller;
mod chaos;
pub mod cli;
pub mod trial;
mod verified;
