//! Requests in, replies out.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::http::request::{body, route};
use shared::http::{Caller, Code, Problem, json, respond};
use shared::{Error, clock};

use crate::{Deps, open};

/// Answers one request; every failure is a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    Ok(respond(answer(deps, &request).await))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let caller = Caller::of(request, &deps.owner_key)?;
    match route(request).as_str() {
        "POST /v1/aal2-challenges" => Ok(json(
            201,
            &open::open(deps, &caller.owner, &body(request)?, clock::now()).await?,
        )),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}
