//! Refusals are clear and documented, and change nothing.

mod claims;
mod input;
mod links;
mod patient;
mod start;
mod upstream;
