//! JSON Web Tokens with RS256: the sandbox's own issuer, and the checks of an API Gateway JWT authorizer.

mod issuer;
mod server;
pub(crate) mod tokens;
mod verify;

pub use issuer::{Issuer, IssuerError};
pub use server::{IssuerServer, IssuerServerError};
pub(crate) use verify::{TokenRefusal, verify};

#[cfg(test)]
mod tests;
