//! `GET /medical/v1/facility` (docs.metriport.com, page `facility/list-facilities`).

use reqwest::Method;
use serde::Deserialize;

use super::Facility;
use super::reply::Wire;
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError, tolerant};

/// Metriport puts a list under its resource's name; a bare list is accepted too.
#[derive(Deserialize)]
struct List {
    #[serde(deserialize_with = "tolerant::list")]
    facilities: Vec<Wire>,
}

pub(super) async fn list(client: &Client) -> Result<Vec<Facility>, UpstreamError> {
    let call = UpstreamCall::new(Operation::ListFacilities, Method::GET, ["medical", "v1", "facility"]);
    let reply = client.send(call).await?;
    // serde also reads a structure from a list, so the bare list is tried first.
    let items = match reply.json() {
        Ok(bare) => bare,
        Err(_named) => reply.json::<List>()?.facilities,
    };
    Ok(items.into_iter().filter_map(Wire::facility).collect())
}
