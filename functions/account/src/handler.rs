//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::domain::consent::GivenConsent;
use shared::domain::quarantine::NotMeReport;
use shared::domain::{ExportId, ReceiptId, RecordId, Time};
use shared::edge::http::request::{body, path_id, path_parameter, route};
use shared::edge::http::{Caller, Code, Post, PostAnswer, Problem, json, limited, respond};
use shared::ports::Clock as _;
use shared::{Error, clock};

use crate::log_request::{self, LogSettings};
use crate::read_log::{PageRequest, read_log};
use crate::{Deps, erase, export, give, not_me, view, withdraw};

/// Answers one request. Every failure becomes a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    Ok(respond(answer(deps, &request).await))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let now = deps.now();
    let route = route(request);
    // The receipt id is the only credential, because the person's token no longer leads anywhere.
    if route == "GET /v1/erasures/{receipt}" {
        let receipt = path_parameter(request, "receipt").unwrap_or_default();
        return Ok(json(200, &erase::show(deps.io(), &receipt).await?));
    }
    let caller = Caller::of(request, &deps.owner_key, &deps.assurance, now)?;
    let (owner, actor) = (&caller.owner, &caller.actor);
    match route.as_str() {
        "GET /v1/me/consent" => Ok(json(200, &view::show(deps.io(), owner).await?)),
        "PUT /v1/me/consent" => {
            let given = body(request, GivenConsent::read)?;
            Ok(json(200, &give::give(deps.io(), owner, actor, given).await?))
        }
        "POST /v1/records/{id}/not-me" => report(deps, &caller, request, now).await,
        "DELETE /v1/me/consent" => Ok(json(200, &withdraw::withdraw(deps.io(), owner, actor).await?)),
        "DELETE /v1/me" => erase(deps, &caller, request, now).await,
        "POST /v1/me/exports" => request_export(deps, &caller, request, now).await,
        "GET /v1/me/exports/{id}" => {
            let id = path_id(request, ExportId::parse)?;
            Ok(json(200, &export::show(deps.io(), owner, actor, id).await?))
        }
        "GET /v1/me/access-log" => show_log(deps, &caller, request, now).await,
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

/// A page of the access log. It needs neither a consent nor a verified identity: a person may always see their log.
async fn show_log(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let settings = LogSettings {
        key: &deps.owner_key,
        timing: deps.timing(),
        retention_days: deps.access_log_retention_days,
    };
    let form = log_request::read_form(request)?;
    let ask = settings.read(request, &caller.owner, now)?;
    let position = match &ask {
        PageRequest::First(_) => None,
        PageRequest::At(position) => Some(position.clone()),
    };
    let read = read_log(deps.io(), &caller.owner, &caller.actor, ask, now).await?;
    let reply = settings.reply(form, read.page, read.next.as_ref(), position.as_ref())?;
    Ok(limited(reply, Some(&read.allowance)))
}

async fn erase(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let post = post(deps, caller, request);
    // The receipt id follows from the key, because the erasure deletes the key's entry. So a request that is repeated
    // after the erasure erases nothing of a person who has returned.
    let receipt = ReceiptId::new(post.keyed_secret("erasure-receipt")?.unwrap_or_else(clock::new_secret));
    post.once((now, clock::new_id()), async |_attempt| {
        let erasing = erase::request(deps.io(), &caller.owner, &caller.actor, receipt).await?;
        Ok(PostAnswer::lasting(json(202, &erasing)))
    })
    .await
}

async fn request_export(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    post(deps, caller, request)
        .once((now, clock::new_id()), async |attempt| {
            let id = ExportId::new(attempt.id);
            let export = export::request(deps.io(), &caller.owner, &caller.actor, id).await?;
            Ok(PostAnswer::lasting(json(202, &export)))
        })
        .await
}

fn post<'a>(deps: &'a Deps, caller: &'a Caller, request: &'a Request) -> Post<'a> {
    Post {
        request,
        owner: &caller.owner,
        credential: None,
        table: &deps.table,
        owner_key: &deps.owner_key,
        timing: deps.timing(),
    }
}

async fn report(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let post = post(deps, caller, request);
    // A repeated report changes nothing, so neither the new id nor an earlier attempt matters.
    post.once((now, clock::new_id()), async |_attempt| {
        let report = body(request, NotMeReport::read)?;
        let id = path_id(request, RecordId::parse)?;
        let quarantine = not_me::report(deps.io(), &caller.owner, &caller.actor, id, report).await?;
        Ok(PostAnswer::lasting(json(202, &quarantine)))
    })
    .await
}
