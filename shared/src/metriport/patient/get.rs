//! `GET /medical/v1/patient/{id}` (docs.metriport.com, page `patient/get-patient`).

use reqwest::Method;

use super::{UnverifiedPatient, reply};
use crate::domain::PatientId;
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

impl Client {
    /// Reads one patient. An answer about another patient is garbage.
    ///
    /// # Errors
    /// `PatientNotFound` or `NotFound` if the patient does not exist; see [`UpstreamError`].
    pub async fn get_patient(&self, id: &PatientId) -> Result<UnverifiedPatient, UpstreamError> {
        let call = UpstreamCall::new(
            Operation::GetPatient,
            Method::GET,
            ["medical", "v1", "patient", id.as_str()],
        );
        let reply = self.send(call).await?;
        let patient = reply::patient(&reply)?;
        if patient.has_id(id) {
            Ok(patient)
        } else {
            Err(reply.garbage())
        }
    }
}
