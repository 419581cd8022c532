//! Creates, reads, finds, replaces and deletes patients of the account.
//!
//! Metriport may answer a create with an existing patient whose demographics are similar. Every answer may therefore be
//! about another person's patient, until [`UnverifiedPatient::verify`] has found our own id on it.

mod body;
mod create;
mod delete;
mod find;
mod get;
mod reply;
mod update;

pub use create::NewPatient;
pub use delete::PatientDeletion;
pub use reply::{ForeignPatient, Patient, UnverifiedPatient};
pub use update::PatientUpdate;

use super::UpstreamError;
use crate::domain::ExternalId;
use crate::ports::port;

port! {
    /// Creates patients.
    pub trait CreatePatient via HasUpstream {
        /// Creates the patient, or returns an existing one that Metriport considers the same person.
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
    /// Finds patients by our id.
    pub trait FindPatient via HasUpstream {
        /// Finds the patient that carries our id; `None` if Metriport has no such patient.
        ///
        /// # Errors
        /// `Garbage` for a patient that does not carry our id; see [`UpstreamError`].
        async fn find_patient(&self, id: &ExternalId) -> Result<Option<Patient>, UpstreamError>;
    }
}

port! {
    /// Replaces the demographics of patients.
    pub trait UpdatePatient via HasUpstream {
        /// Replaces all demographics.
        ///
        /// # Errors
        /// `Locked` while Metriport processes the patient's documents; see [`UpstreamError`].
        async fn update_patient(
            &self,
            update: &PatientUpdate,
        ) -> Result<UnverifiedPatient, UpstreamError>;
    }
}

port! {
    /// Deletes patients.
    pub trait DeletePatient via HasUpstream {
        /// Deletes the patient.
        ///
        /// # Errors
        /// `PatientNotFound` or `NotFound` if the patient does not exist; see [`UpstreamError`].
        async fn delete_patient(&self, deletion: &PatientDeletion) -> Result<(), UpstreamError>;
    }
}
