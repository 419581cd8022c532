//! `POST /medical/v1/facility` (docs.metriport.com, page `facility/create-facility`).

use reqwest::Method;
use serde::Serialize;

use super::reply::Wire;
use super::{Facility, Npi};
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

/// A facility to be created.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFacility {
    /// Its name.
    pub name: String,
    /// Its National Provider Identifier.
    pub npi: Npi,
    /// Its address.
    pub address: FacilityAddress,
    /// Its tax identification number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tin: Option<String>,
}

/// A US address.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FacilityAddress {
    /// Street and number.
    pub address_line1: String,
    /// Suite or unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_line2: Option<String>,
    /// City.
    pub city: String,
    /// Code of the state, district or territory.
    pub state: String,
    /// Five digits.
    pub zip: String,
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    facility: &'a NewFacility,
    active: bool,
}

pub(super) async fn create(client: &Client, facility: &NewFacility) -> Result<Facility, UpstreamError> {
    let call = UpstreamCall::new(Operation::CreateFacility, Method::POST, ["medical", "v1", "facility"])
        .json(&Body { facility, active: true });
    let reply = client.send(call).await?;
    reply.required(reply.json::<Wire>()?.facility())
}
