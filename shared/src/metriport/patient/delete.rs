//! `DELETE /medical/v1/patient/{id}` (docs.metriport.com, page `patient/delete-patient`).

use reqwest::Method;

use super::DeletePatient;
use crate::domain::{FacilityId, PatientId};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

/// A patient to be deleted. The effect on the proofed identity is not documented; assume that it is lost.
#[derive(Debug, Clone)]
pub struct PatientDeletion {
    /// The patient.
    pub patient: PatientId,
    /// Needed only if the patient belongs to several facilities.
    pub facility: Option<FacilityId>,
}

impl DeletePatient for Client {
    async fn delete_patient(&self, deletion: &PatientDeletion) -> Result<(), UpstreamError> {
        let path = ["medical", "v1", "patient", deletion.patient.as_str()];
        let call = UpstreamCall::new(Operation::DeletePatient, Method::DELETE, path)
            .query_if("facilityId", deletion.facility.as_ref().map(FacilityId::as_str));
        self.send(call).await.map(drop)
    }
}
