//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::Error;
use shared::domain::Time;
use shared::domain::consent::GivenConsent;
use shared::edge::http::request::{body, route};
use shared::edge::http::{Caller, Code, Problem, json, respond};
use shared::ports::Clock as _;

use crate::export::{LogAsk, export};
use crate::log_request::{self, LogSettings};
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
        "GET /v1/me/access-log" => read_log(deps, &caller, request, now).await,
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

/// A page of the access log. It needs neither a consent nor a verified identity: a person may always see their log.
async fn read_log(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let settings = LogSettings {
        key: &deps.owner_key,
        timing: deps.timing(),
        retention_days: deps.access_log_retention_days,
    };
    let form = log_request::form(request)?;
    let ask = settings.read(request, &caller.owner, now)?;
    let place = match &ask {
        LogAsk::First(_) => None,
        LogAsk::At(place) => Some(place.clone()),
    };
    let (page, next) = export(deps.io(), &caller.owner, &caller.actor, ask, now).await?;
    settings.reply(form, page, next.as_ref(), place.as_ref())
}
