//! Refusals: clear, documented, and without a trace.

mod claims;
mod input;
mod links;
mod patient;
mod start;
mod upstream;
