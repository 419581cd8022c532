//! What functions may do is what they do. The sandbox refuses what a policy does not grant, in every test; here is that
//! it does, and that no policy grants more.

mod comparison;
mod enforced;
mod ports;
mod recorded;
