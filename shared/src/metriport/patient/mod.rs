//! Patients of the account: created, read, found by our id, replaced, deleted.
//!
//! Metriport may answer a create with an existing patient that is similar. Every answer may therefore be another
//! person's patient, until [`UnverifiedPatient::verify`] has found our own id on it.

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
        /// Creates the patient, or returns an existing one that Metriport takes for the same person.
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
        /// Finds the patient that carries our id, or `None`. An answer with another id is an error.
        ///
        /// # Errors
        /// `Garbage` for a patient without our id; see [`UpstreamError`].
        async fn find_patient(&self, id: &ExternalId) -> Result<Option<Patient>, UpstreamError>;
    }
}

port! {
    /// May replace a patient's demographics.
    pub trait UpdatePatient via HasUpstream {
        /// Replaces all demographics.
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
