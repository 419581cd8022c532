//! `POST /medical/v1/patient/{id}/consolidated/query` (docs.metriport.com, page `fhir/consolidated-data-query-post`).

use reqwest::Method;
use serde::Serialize;

use super::{ConsolidatedQuery, reply};
use crate::domain::PatientId;
use crate::domain::record::RecordQuery;
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
    query: &RecordQuery,
    metadata: &Metadata,
) -> Result<ConsolidatedQuery, UpstreamError> {
    let resources = query.resources.iter().map(String::as_str).collect::<Vec<_>>().join(",");
    let path = ["medical", "v1", "patient", patient.as_str(), "consolidated", "query"];
    let call = UpstreamCall::new(Operation::StartConsolidatedQuery, Method::POST, path)
        .query("conversionType", query.conversion.as_str())
        .query_if("resources", Some(resources.as_str()).filter(|list| !list.is_empty()))
        .query_if("dateFrom", query.date_from.as_deref())
        .query_if("dateTo", query.date_to.as_deref())
        .json(&Body { metadata });
    let reply = client.send(call).await?;
    let started = reply::started(&reply)?;
    if started.is_of_another_form(query) {
        Err(reply.garbage())
    } else {
        Ok(started)
    }
}
