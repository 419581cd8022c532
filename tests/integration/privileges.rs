//! The policy of a function grants exactly the calls that the function makes. The sandbox refuses other calls in every
//! test. These tests show that it does, and that the policies grant nothing else.

mod comparison;
mod enforced;
mod ports;
mod recorded;
