//! Do the functions keep their rules whatever happens?
//!
//! Virtual time and random schedules over the functions' own steps: messages come late, twice, in another order or
//! never, functions crash between any two operations, writes and calls fail with or without effect, clocks jump and
//! differ, webhooks are dropped and replayed without metadata. After each history all faults stop and time runs on:
//! then nothing may wait any more. Rules one to seven and eleven of `docs/rules.md` are what must hold (`rules`).
//!
//! What decides is not modelled: the steps of the functions run as they are (`functions`), over ports (`ports`) whose
//! operations the world performs one by one. What is modelled is what surrounds them: the table with its conditions
//! (`store`), the queues (`world`), Metriport (`upstream`). Signatures, JSON, HTTP, the bytes of a record and API
//! Gateway are not in it.
//!
//! A history is a list of choices, and the same list gives the same history. One that breaks a rule is cut down to the
//! choices it needs, and told in words. The exhaustive check (`exhaustive`) visits every history of a small
//! configuration instead. It is a plain breadth-first search over copied and hashed worlds: the crate `stateright`
//! (0.31.0, MIT) was looked at and not taken, because its `eventually` ignores cycles and histories that meet again
//! (its own documentation says so), its properties see one state while these rules look at writes, and it brings a web
//! server and a second `rand` into the command line for what is some hundred lines here.

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

/// What a command prints, and whether all is well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Line by line.
    pub lines: Vec<String>,
    /// Whether no rule was broken.
    pub passed: bool,
}
