//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::domain::{PullId, Time};
use shared::edge::http::request::{body, header, path_id, route};
use shared::edge::http::{Caller, Code, Post, PostAnswer, Problem, json, respond};
use shared::edge::refuse_withdrawn;
use shared::ports::{Clock as _, ConsentTerms as _};
use shared::{Error, clock};

use crate::ask_body::AskBody;
use crate::{Deps, accept, view};

/// Answers one request. Every failure becomes a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    let answer = answer(deps, &request).await;
    let answer = answer.map_err(|error| refuse_withdrawn(error, deps.consent_rule()));
    Ok(respond(answer))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let now = deps.now();
    let caller = Caller::of(request, &deps.owner_key, &deps.assurance, now)?;
    let owner = &caller.owner;
    let id = || path_id(request, PullId::parse);
    match route(request).as_str() {
        "POST /v1/network-queries" => accept(deps, &caller, request, now).await,
        "GET /v1/network-queries" => Ok(json(200, &view::list(deps.io(), owner, now).await?)),
        "GET /v1/network-queries/{id}" => Ok(json(200, &view::show(deps.io(), owner, id()?, now).await?)),
        "GET /v1/network-queries/{id}/timeline" => Ok(json(200, &view::timeline(deps.io(), owner, id()?).await?)),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

async fn accept(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let owner = &caller.owner;
    let session = header(request, "x-aal2-session");
    let post = Post {
        request,
        owner,
        credential: session,
        table: &deps.table,
        owner_key: &deps.owner_key,
        timing: deps.timing(),
    };
    post.once((now, clock::new_id()), async |attempt| {
        let ask = accept::PullAsk {
            actor: &caller.actor,
            session,
            body: body(request, AskBody::read)?,
            id: PullId::new(attempt.id),
            resumed: attempt.resumed,
        };
        let pull = accept::accept(deps.io(), owner, ask, &deps.owner_key).await?;
        let shown = view::of_pull(&pull, deps.consent_rule(), now);
        Ok(PostAnswer::lasting(json(202, &shown)))
    })
    .await
}
