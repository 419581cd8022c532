//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::Error;
use shared::domain::consent::GivenConsent;
use shared::edge::http::request::{body, route};
use shared::edge::http::{Caller, Code, Problem, json, respond};
use shared::ports::Clock as _;

use crate::{Deps, give, view, withdraw};

/// Answers one request. Every failure becomes a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    Ok(respond(answer(deps, &request).await))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let now = deps.now();
    let caller = Caller::of(request, &deps.owner_key, &deps.assurance, now)?;
    let (owner, actor) = (&caller.owner, &caller.actor);
    match route(request).as_str() {
        "GET /v1/me/consent" => Ok(json(200, &view::show(deps.io(), owner).await?)),
        "PUT /v1/me/consent" => {
            let given = body(request, GivenConsent::read)?;
            Ok(json(200, &give::give(deps.io(), owner, actor, given).await?))
        }
        "DELETE /v1/me/consent" => Ok(json(200, &withdraw::withdraw(deps.io(), owner, actor).await?)),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}
