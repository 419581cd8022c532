//! `GET /medical/v1/network/query/{requestId}` (docs.metriport.com, page `network/get-network-query`). The call needs
//! no AAL2 session.

use reqwest::Method;

use super::{NetworkQuery, reply};
use crate::domain::UpstreamRequestId;
use crate::metriport::call::UpstreamCall;
use crate::metriport::{Client, Operation, UpstreamError};

pub(super) async fn read(client: &Client, request: &UpstreamRequestId) -> Result<NetworkQuery, UpstreamError> {
    let path = ["medical", "v1", "network", "query", request.as_str()];
    let reply = client
        .send(UpstreamCall::new(Operation::ReadNetworkQuery, Method::GET, path))
        .await?;
    reply::of_request(&reply, request)
}
