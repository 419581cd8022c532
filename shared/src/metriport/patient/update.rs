//! `PUT /medical/v1/patient/{id}?facilityId=` (docs.metriport.com, page `patient/update-patient`).

use reqwest::Method;

use super::body::{PatientBody, PatientStatus};
use super::{UnverifiedPatient, UpdatePatient, reply};
use crate::domain::{Demographics, ExternalId, FacilityId, PatientId};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

/// A full replacement of a patient's demographics. Updates and creates share one rate limit.
#[derive(Debug, Clone)]
pub struct PatientUpdate {
    /// The patient.
    pub patient: PatientId,
    /// The facility it belongs to.
    pub facility: FacilityId,
    /// Our id of the person. Metriport erases the id if an update omits it.
    pub external_id: ExternalId,
    /// All demographics.
    pub demographics: Demographics,
    /// Whether the person opts out of health information exchanges. Metriport may erase an opt-out that an update
    /// omits.
    pub hie_opt_out: Option<bool>,
}

impl UpdatePatient for Client {
    async fn update_patient(&self, update: &PatientUpdate) -> Result<UnverifiedPatient, UpstreamError> {
        let body = PatientBody {
            demographics: &update.demographics,
            external_id: &update.external_id,
            status: PatientStatus::of(update.hie_opt_out),
        };
        let path = ["medical", "v1", "patient", update.patient.as_str()];
        let call = UpstreamCall::new(Operation::UpdatePatient, Method::PUT, path)
            .query("facilityId", update.facility.as_str())
            .json(&body);
        let reply = self.send(call).await?;
        let patient = reply::patient(&reply)?;
        if patient.has_id(&update.patient) {
            Ok(patient)
        } else {
            Err(reply.garbage())
        }
    }
}
