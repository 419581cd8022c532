//! `POST /medical/v1/patient?facilityId=` (docs.metriport.com, page `patient/create-patient`).

use reqwest::Method;

use super::body::{PatientBody, PatientStatus};
use super::{CreatePatient, UnverifiedPatient, reply};
use crate::domain::{Demographics, ExternalId, FacilityId};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

/// A patient to be created.
#[derive(Debug, Clone)]
pub struct NewPatient {
    /// The facility under which the patient is created; needed for Individual Access too.
    pub facility: FacilityId,
    /// Our id of the person, which is compared with the id in the answer.
    pub external_id: ExternalId,
    /// The person's demographics.
    pub demographics: Demographics,
    /// Whether the person opts out of health information exchanges; `None` states nothing.
    pub hie_opt_out: Option<bool>,
}

impl CreatePatient for Client {
    async fn create_patient(&self, patient: &NewPatient) -> Result<UnverifiedPatient, UpstreamError> {
        let body = PatientBody {
            demographics: &patient.demographics,
            external_id: &patient.external_id,
            status: PatientStatus::of(patient.hie_opt_out),
        };
        let call = UpstreamCall::new(Operation::CreatePatient, Method::POST, ["medical", "v1", "patient"])
            .query("facilityId", patient.facility.as_str())
            .json(&body);
        reply::patient(&self.send(call).await?)
    }
}
