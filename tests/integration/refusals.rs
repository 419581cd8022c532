//! Refusals are clear and documented, and leave no trace.

mod claims;
mod input;
mod links;
mod patient;
mod start;
mod upstream;
