//! Network queries and consolidated queries.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use serde_json::Value;

use super::{Params, add, header, json_body};
use crate::app::App;
use crate::consolidated_request::Ask;
use crate::envelope::Refusal;
use crate::faults::RefusedSources;
use crate::network::Start;
use crate::operation::Operation;

type Answer = Result<Json<Value>, Refusal>;

pub(super) fn mount(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = add(router, Operation::StartNetworkQuery, start_network);
    let router = add(router, Operation::ReadNetworkQuery, read_network);
    let router = add(router, Operation::StartConsolidatedQuery, start_consolidated);
    let router = add(router, Operation::ListConsolidatedQueries, list_consolidated);
    let router = add(router, Operation::ReadConsolidatedQuery, read_consolidated);
    add(router, Operation::CountConsolidated, count_consolidated)
}

async fn start_network(
    State(app): State<Arc<App>>,
    params: Params,
    refused: Option<Extension<RefusedSources>>,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let body = json_body(&body)?;
    let start = Start {
        patient_id: params.get("patientId").map(String::as_str),
        purpose_of_use: params.get("purposeOfUse").map(String::as_str),
        aal2_session: header(&headers, "x-aal2-session"),
        body: &body,
        refused: refused.as_ref().map(|Extension(refused)| refused),
    };
    app.act(|world, now| world.start_network_query(now, &start)).map(Json)
}

async fn read_network(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.act(|world, _| world.read_network_query(&id)).map(Json)
}

/// The body must be a JSON object; an empty object suffices.
async fn start_consolidated(
    State(app): State<Arc<App>>,
    Path(patient_id): Path<String>,
    params: Params,
    body: Bytes,
) -> Answer {
    let ask = Ask::read(&params)?;
    let body = if body.is_empty() {
        Value::Null
    } else {
        json_body(&body)?
    };
    app.act(|world, now| world.start_consolidated(now, &patient_id, ask, &body))
        .map(Json)
}

async fn list_consolidated(State(app): State<Arc<App>>, Path(patient_id): Path<String>) -> Answer {
    app.act(|world, _| world.list_consolidated(&patient_id)).map(Json)
}

async fn read_consolidated(
    State(app): State<Arc<App>>,
    Path((patient_id, request_id)): Path<(String, String)>,
) -> Answer {
    app.act(|world, _| world.read_consolidated(&patient_id, &request_id))
        .map(Json)
}

async fn count_consolidated(State(app): State<Arc<App>>, Path(patient_id): Path<String>, params: Params) -> Answer {
    let ask = Ask::read_count(&params)?;
    app.act(|world, now| world.count_consolidated(now, &patient_id, &ask))
        .map(Json)
}
