//! Fuzzing of every entry of the system. For every input these properties hold:
//! - the system does not panic
//! - a refusal is not our own failure, and its code is in the closed list
//! - output and log do not repeat the input
//! - an accepted input keeps its meaning
//!
//! Inputs are valid documents, spoilt by structure and by bytes from a seed. The normal tests judge some thousands per
//! entry, and the command `cargo run --release -p fuzz` any number. Inputs meet the real code, from the event on. AWS
//! and Metriport are servers on loopback that always work, so that the input has caused each failure. A finding is
//! printed with seed, number and a smaller input.

pub mod canary;
pub mod chance;
pub mod entries;
pub mod log;
pub mod minimise;
pub mod mutate;
pub mod run;
pub mod world;
