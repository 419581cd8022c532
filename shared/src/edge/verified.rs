//! The condition for a pull and for reading a record: the caller's identity is verified, for the patient and the
//! demographics that are linked now.

use crate::domain::identity::{Identity, Standing};
use crate::domain::patient::{PatientLink, PatientSlot};
use crate::domain::{ProofedIdentityId, Time, Timing};
use crate::edge::error::Error;
use crate::edge::http::{Code, Problem};

/// The caller's link and proofed identity.
///
/// # Errors
/// When the caller has no settled link, or their identity is not verified for it.
pub fn verified<'a>(
    patient: &'a PatientSlot,
    identity: &Identity,
    now: Time,
    timing: Timing,
) -> Result<(&'a PatientLink, ProofedIdentityId), Error> {
    let link = patient.settled()?;
    match identity.standing(&link.patient, &link.demographics, now, timing) {
        Standing::Verified(proofed) => Ok((link, proofed)),
        Standing::NotStarted
        | Standing::Pending { .. }
        | Standing::Confirming
        | Standing::Expired
        | Standing::DemographicsChanged
        | Standing::Rejected => Err(Problem::new(Code::IdentityNotVerified).into()),
    }
}
