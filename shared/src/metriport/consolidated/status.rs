//! `GET /medical/v1/patient/{id}/consolidated/query/{requestId}` (docs.metriport.com, page
//! `fhir/consolidated-data-query-get-single`). Holds no link.

use reqwest::Method;

use super::{ConsolidatedQuery, reply};
use crate::domain::{PatientId, UpstreamRequestId};
use crate::metriport::call::Call;
use crate::metriport::{Client, Operation, UpstreamError};

pub(super) async fn read(
    client: &Client,
    patient: &PatientId,
    request: &UpstreamRequestId,
) -> Result<ConsolidatedQuery, UpstreamError> {
    let path = [
        "medical",
        "v1",
        "patient",
        patient.as_str(),
        "consolidated",
        "query",
        request.as_str(),
    ];
    let reply = client
        .send(Call::new(Operation::ReadConsolidatedQuery, Method::GET, path))
        .await?;
    reply::of_request(&reply, request)
}
