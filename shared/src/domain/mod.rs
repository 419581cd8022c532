//! The pure core: the state of a person's pull and the possible next steps.
//!
//! Nothing in here reads a clock, makes an id, draws a random number or does I/O. Times and ids come in as arguments,
//! and decisions go out as values. Every difficult rule of the flow is therefore testable in microseconds.

pub mod assurance;
pub mod budget;
pub mod challenge;
pub mod claims;
pub mod consent;
pub mod demographics;
pub mod erasure;
pub mod export;
pub mod identity;
pub mod ids;
pub mod in_turn;
pub mod input;
pub(crate) mod keyed_hash;
pub mod log;
pub mod names;
pub mod patient;
pub mod person_root;
pub mod pull;
pub mod quarantine;
pub mod record;
pub mod replay;
pub mod retention;
pub mod source;
pub mod time;
pub mod timing;

pub use demographics::Demographics;
pub use ids::*;
pub use source::{SourceKind, SourceStatus, Sources};
pub use time::Time;
pub use timing::Timing;
