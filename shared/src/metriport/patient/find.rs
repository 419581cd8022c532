//! `GET /medical/v1/patient/external-id?externalId=` (docs.metriport.com, page `patient/get-patient-external-id`).

use reqwest::Method;

use super::{FindPatient, Patient, reply};
use crate::domain::ExternalId;
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

impl FindPatient for Client {
    async fn find_patient(&self, id: &ExternalId) -> Result<Option<Patient>, UpstreamError> {
        let call = UpstreamCall::new(
            Operation::FindPatient,
            Method::GET,
            ["medical", "v1", "patient", "external-id"],
        )
        .query("externalId", id.as_str());
        let reply = match self.send(call).await {
            Ok(reply) => reply,
            Err(error) if error.kind().is_absence() => return Ok(None),
            Err(error) => return Err(error),
        };
        let found = reply::patient(&reply)?.verify(id);
        found.map(Some).map_err(|_foreign| reply.garbage())
    }
}
