//! The proofs over real processes and real sockets (`docs/reliability.md`). Each runs many whole pulls over its own
//! sandbox, and judges the results.

mod asking;
pub mod burst;
mod caller;
mod chaos;
pub mod cli;
mod table;
pub mod trial;
mod verified;
