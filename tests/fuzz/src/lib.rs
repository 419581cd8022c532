//! Fuzzing of every entry of the system. For every input these properties hold:
//! - the system does not panic
//! - a refusal is never a failure of ours (5xx), and its code is in the closed list
//! - output and log do not repeat the input
//! - an accepted input keeps its meaning
//!
//! Each input is a valid document whose structure or bytes were changed by choices from a seed. The normal tests judge
//! 800 to 5,000 inputs per entry; the command `cargo run --release -p fuzz` judges any number. An input goes through
//! the real code, from the Lambda event on. Servers on loopback play AWS and Metriport and always work, so only the
//! input can cause a failure. A finding is printed with the seed, the input's number and a smaller input.

pub mod canary;
pub mod chance;
pub mod entries;
pub mod log;
pub mod minimise;
pub mod mutate;
pub mod run;
pub mod world;
