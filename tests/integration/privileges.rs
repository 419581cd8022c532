//! Functions may do exactly what they do. The sandbox refuses ungranted calls in every test; these tests show that it
//! does, and that no policy grants more.

mod comparison;
mod enforced;
mod ports;
mod recorded;
