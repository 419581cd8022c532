//! `POST /medical/v1/patient/{id}/consolidated/query` (docs.metriport.com, page `fhir/consolidated-data-query-post`).

use reqwest::Method;
use serde::Serialize;

use super::{ConsolidatedQuery, reply};
use crate::domain::PatientId;
use crate::domain::record::Asked;
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Metadata, Operation, UpstreamError};

/// The body must be an object, even if it is empty.
#[derive(Serialize)]
struct Body<'a> {
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: &'a Metadata,
}

pub(super) async fn start(
    client: &Client,
    patient: &PatientId,
    asked: &Asked,
    metadata: &Metadata,
) -> Result<ConsolidatedQuery, UpstreamError> {
    let resources = asked.resources.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let path = ["medical", "v1", "patient", patient.as_str(), "consolidated", "query"];
    let call = UpstreamCall::new(Operation::StartConsolidatedQuery, Method::POST, path)
        .query("conversionType", asked.conversion.as_str())
        .query_if("resources", Some(resources.as_str()).filter(|list| !list.is_empty()))
        .query_if("dateFrom", asked.date_from.as_deref())
        .query_if("dateTo", asked.date_to.as_deref())
        .json(&Body { metadata });
    let reply = client.send(call).await?;
    let query = reply::started(&reply)?;
    if query.is_of_another_form(asked) {
        Err(reply.garbage())
    } else {
        Ok(query)
    }
}
