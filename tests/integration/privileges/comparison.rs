//! What is granted against what was used, both ways. Pure.

mod tests;

use std::collections::BTreeSet;
use std::fmt;

use sandbox_machine::privileges::Privilege;

/// A privilege that is granted although no recorded run uses it.
pub struct Exception {
    /// Which.
    pub privilege: Privilege,
    /// Why it is granted all the same.
    pub why: Why,
}

/// Why a privilege may be granted that no run uses.
pub enum Why {
    /// A service of AWS does it with the function's role, as KMS is called for whoever reads what a key encrypts. No
    /// function calls it, so the sandbox never sees it.
    MadeByService(&'static str),
    /// Only an error leads there that no fault of the sandbox brings about.
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

/// What is wrong with a set of policies.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Used, and not granted.
    pub missing: BTreeSet<Privilege>,
    /// Granted, and neither used nor excepted.
    pub unused: BTreeSet<Privilege>,
    /// Exceptions that excuse nothing: what they name is not granted, or used after all.
    pub pointless: Vec<String>,
}

/// Compares what is granted with what was used.
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
