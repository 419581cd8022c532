//! Do the functions keep their rules under any fault?
//!
//! The simulation runs the functions' own steps in virtual time under random schedules:
//! - messages arrive late, twice, reordered or never
//! - functions crash between any two operations
//! - writes and calls fail with or without their effect
//! - clocks jump and differ
//! - webhooks are dropped, and replayed without metadata
//!
//! After each history, all faults stop and time runs on. Then nothing may be left waiting. Rules 1 to 7 and 11 to 14 of
//! `docs/rules.md` must hold (`rules`).
//!
//! The steps of the functions are real (`functions`). They run over ports (`ports`), whose operations the world
//! (`world`) performs one by one. The world is a model of the functions' surroundings: the table with its conditions
//! (`store`), the queues, and Metriport (`upstream`). The model leaves out signatures, JSON, HTTP, the bytes of a
//! record and API Gateway.
//!
//! A history is a list of choices, and the same list gives the same history. A history that breaks a rule is reduced to
//! the choices that it needs, and printed in words. The exhaustive check (`exhaustive`) visits every history of a small
//! configuration instead, by a breadth-first search over copied and hashed worlds. We rejected the crate `stateright`
//! (0.31.0, MIT) for three reasons:
//! - its `eventually` ignores cycles and histories that meet again, as its documentation states
//! - its properties see one state, while these rules look at writes
//! - it adds a web server and a second `rand` to the command, and would replace only some hundred lines

mod choice;
mod exhaustive;
mod functions;
mod ids;
mod io;
mod people;
mod ports;
mod rest;
mod rules;
mod schedule;
mod shrink;
mod simulate;
mod store;
mod task;
mod upstream;
mod words;
mod world;

pub use choice::Sabotage;
pub use exhaustive::{Bounds, Explored, explore, explore_all};
pub use rules::Violation;
pub use simulate::{Failure, Options, Report, simulate};

/// The output of a command, and its verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The lines to print.
    pub lines: Vec<String>,
    /// Whether every rule held.
    pub passed: bool,
}
