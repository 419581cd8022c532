//! Patients and facilities.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use bytes::Bytes;
use serde_json::Value;

use super::{Params, add, header, json_body};
use crate::app::App;
use crate::envelope::Refusal;
use crate::operation::Operation;

type Answer = Result<Json<Value>, Refusal>;
type Created = Result<(StatusCode, Json<Value>), Refusal>;

pub(super) fn mount(router: Router<Arc<App>>) -> Router<Arc<App>> {
    let router = add(router, Operation::CreatePatient, create);
    let router = add(router, Operation::FindPatient, find);
    let router = add(router, Operation::MatchPatient, find_match);
    let router = add(router, Operation::ReadPatient, read);
    let router = add(router, Operation::UpdatePatient, update);
    let router = add(router, Operation::DeletePatient, delete);
    let router = add(router, Operation::CreateFacility, create_facility);
    let router = add(router, Operation::ListFacilities, list_facilities);
    add(router, Operation::ReadFacility, read_facility)
}

async fn create(State(app): State<Arc<App>>, params: Params, body: Bytes) -> Created {
    let body = json_body(&body)?;
    let facility = params.get("facilityId").map(String::as_str);
    app.act(|world, now| world.create_patient(now, facility, &body))
        .map(|made| (StatusCode::CREATED, Json(made)))
}

async fn find(State(app): State<Arc<App>>, params: Params) -> Answer {
    app.act(|world, _| world.find_patient(params.get("externalId").map(String::as_str)))
        .map(Json)
}

async fn find_match(State(app): State<Arc<App>>, body: Bytes) -> Answer {
    let body = json_body(&body)?;
    app.act(|world, now| world.match_patient(now, &body)).map(Json)
}

async fn read(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.act(|world, _| world.read_patient(&id)).map(Json)
}

async fn update(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    params: Params,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let body = json_body(&body)?;
    let facility = params.get("facilityId").map(String::as_str);
    let if_match = header(&headers, "if-match");
    app.act(|world, now| world.update_patient(now, &id, facility, if_match, &body))
        .map(Json)
}

async fn delete(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, Refusal> {
    app.act(|world, _| world.delete_patient(&id, header(&headers, "if-match")))
        .map(|()| StatusCode::NO_CONTENT)
}

async fn create_facility(State(app): State<Arc<App>>, body: Bytes) -> Created {
    let body = json_body(&body)?;
    app.act(|world, now| world.create_facility(now, &body))
        .map(|made| (StatusCode::CREATED, Json(made)))
}

async fn list_facilities(State(app): State<Arc<App>>) -> Json<Value> {
    Json(app.act(|world, _| world.list_facilities()))
}

async fn read_facility(State(app): State<Arc<App>>, Path(id): Path<String>) -> Answer {
    app.act(|world, _| world.read_facility(&id)).map(Json)
}
