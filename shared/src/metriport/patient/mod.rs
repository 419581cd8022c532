//! Patients of the account: created, read, found by our id, replaced, deleted.
//!
//! Knows what upstream does with demographics: creating is an upsert by likeness, so every answer is a patient that
//! might be somebody else's until [`UnverifiedPatient::verify`] has seen our own id on it.

mod body;
mod create;
mod delete;
mod find;
mod get;
mod reply;
mod update;

use std::future::Future;

pub use create::NewPatient;
pub use delete::PatientDeletion;
pub use reply::{ForeignPatient, Patient, UnverifiedPatient};
pub use update::PatientUpdate;

use super::UpstreamError;
use crate::domain::ExternalId;
use crate::ports::port;

port! {
    /// May create patients.
    pub trait CreatePatient via HasUpstream {
        /// Creates the patient, or gets an existing one that upstream takes for the same person.
        ///
        /// # Errors
        /// See [`UpstreamError`].
        async fn create_patient(
            &self,
            patient: &NewPatient,
        ) -> Result<UnverifiedPatient, UpstreamError>;
    }
}

port! {
    /// May look patients up.
    pub trait FindPatient via HasUpstream {
        /// Finds the patient that carries our id, or `None`. One that answers to it but carries another is an error.
        ///
        /// # Errors
        /// `Garbage` for a patient without our id; see [`UpstreamError`].
        async fn find_patient(&self, id: &ExternalId) -> Result<Option<Patient>, UpstreamError>;
    }
}

port! {
    /// May replace a patient's demographics.
    pub trait UpdatePatient via HasUpstream {
        /// Replaces all of them.
        ///
        /// # Errors
        /// `Locked` while documents are processed; see [`UpstreamError`].
        async fn update_patient(
            &self,
            update: &PatientUpdate,
        ) -> Result<UnverifiedPatient, UpstreamError>;
    }
}

/// May delete patients.
pub trait DeletePatient {
    /// Deletes the patient.
    ///
    /// # Errors
    /// See [`UpstreamError`].
    fn delete_patient(&self, deletion: &PatientDeletion) -> impl Future<Output = Result<(), UpstreamError>> + Send;
}
