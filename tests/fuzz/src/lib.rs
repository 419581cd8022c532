//! Fuzzing of every entry of the system: whatever comes in, nothing panics, no refusal is of our making or outside the
//! closed list, nothing of the input is repeated, and what is taken is what was said.
//!
//! Inputs are valid documents that were spoilt, by structure and by bytes, from a seed: the normal tests judge some
//! thousands for each entry, the command `cargo run --release -p fuzz` as many as wanted. What an input meets is the
//! real code, from the event on; AWS and Metriport are servers on loopback that always work, so that whatever fails was
//! made to fail by the input. A finding is printed with seed, number and a smaller input.

pub mod canary;
pub mod chance;
pub mod entries;
pub mod log;
pub mod minimise;
pub mod mutate;
pub mod run;
pub mod world;
