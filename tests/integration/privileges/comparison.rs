//! Compares granted privileges with used ones, in both directions.

mod tests;

use std::collections::BTreeSet;
use std::fmt;

use sandbox_machine::privileges::Privilege;

/// A privilege that is granted although no recorded call uses it.
pub struct Exception {
    /// The privilege.
    pub privilege: Privilege,
    /// The reason for the grant.
    pub why: Why,
}

/// The reason why a privilege may be granted although no recorded call uses it.
pub enum Why {
    /// An AWS service makes the call with the function's role, as when DynamoDB asks KMS to decrypt an item. The
    /// sandbox never sees such a call.
    MadeByService(&'static str),
    /// Only an error path uses the privilege, and no fault of the sandbox causes that error.
    ErrorPath(&'static str),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MadeByService(reason) => write!(f, "made by a service with the role: {reason}"),
            Self::ErrorPath(reason) => write!(f, "in an error path: {reason}"),
        }
    }
}

/// The errors in a set of policies, as a comparison finds them.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Used, but not granted.
    pub missing: BTreeSet<Privilege>,
    /// Granted, but neither used nor excepted.
    pub unused: BTreeSet<Privilege>,
    /// Exceptions whose privilege is not granted, or is used after all.
    pub pointless: Vec<String>,
}

/// Compares granted privileges with used ones.
pub fn compare(granted: &BTreeSet<Privilege>, used: &BTreeSet<Privilege>, exceptions: &[Exception]) -> Difference {
    let excepted = exceptions.iter().map(|exception| exception.privilege.clone()).collect();
    let excuses = |exception: &Exception| {
        let Exception { privilege, .. } = exception;
        granted.contains(privilege) && !used.contains(privilege)
    };
    let pointless = exceptions.iter().filter(|exception| !excuses(exception));
    Difference {
        missing: used - granted,
        unused: &(granted - used) - &excepted,
        pointless: pointless
            .map(|Exception { privilege, why }| format!("{privilege} ({why})"))
            .collect(),
    }
}
