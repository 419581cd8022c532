//! Requests in, replies out.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::domain::RecordId;
use shared::http::request::{body, path_parameter, route};
use shared::http::{Caller, Code, Problem, json, respond};
use shared::{Error, clock};

use crate::{Deps, request, view};

/// Answers one request; every failure is a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    Ok(respond(answer(deps, &request).await))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let caller = Caller::of(request, &deps.owner_key)?;
    let (owner, now) = (&caller.owner, clock::now());
    match route(request).as_str() {
        "GET /v1/records" => Ok(json(200, &view::list(&deps.table, owner, now).await?)),
        "GET /v1/records/{id}" => Ok(json(
            200,
            &view::show(&deps.table, &deps.bucket, owner, record_id(request)?, now).await?,
        )),
        "POST /v1/records" => {
            let id = RecordId::new(clock::new_id());
            Ok(json(
                202,
                &view::of_record(&request::request(deps, owner, body(request)?, id, now).await?, now),
            ))
        }
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

/// What is no id names nothing of this person's either.
fn record_id(request: &Request) -> Result<RecordId, Error> {
    let text = path_parameter(request, "id").unwrap_or_default();
    RecordId::parse(&text).map_err(|_no_id| Problem::new(Code::NotFound).into())
}
