//! Requests in, replies out.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::http::request::{body, route};
use shared::http::{Caller, Code, Problem, json, respond};
use shared::{Error, clock};

use crate::{Deps, open, patient, standing};

/// Answers one request; every failure is a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    Ok(respond(answer(deps, &request).await))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let caller = Caller::of(request, &deps.owner_key)?;
    let now = clock::now();
    match route(request).as_str() {
        "PUT /v1/patient" => {
            let person = patient::Person {
                owner: &caller.owner,
                external_id: caller.external_id(&deps.external_id_claim)?,
                claims: caller.claims(),
            };
            let linked = patient::link(deps, &person, body(request)?, now).await?;
            Ok(json(200, &standing::read(deps, &caller.owner, &linked, now).await?))
        }
        "POST /v1/identity-sessions" => Ok(json(
            201,
            &open::open(deps, &caller.owner, &body(request)?, clock::new_id(), now).await?,
        )),
        "GET /v1/identity" => Ok(json(200, &standing::show(deps, &caller.owner, now).await?)),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}
