//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::domain::Time;
use shared::edge::http::request::{body, route};
use shared::edge::http::{Caller, Code, Post, PostAnswer, Problem, json, limited, respond};
use shared::edge::{redirects, refuse_withdrawn};
use shared::ports::{Clock as _, ConsentTerms as _};
use shared::{Error, clock};

use crate::{Deps, open};

/// Answers one request. Every failure becomes a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    let answer = answer(deps, &request).await;
    let answer = answer.map_err(|error| refuse_withdrawn(error, deps.consent_rule()));
    Ok(respond(answer))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let now = deps.now();
    let caller = Caller::of(request, &deps.owner_key, &deps.assurance, now)?;
    match route(request).as_str() {
        "POST /v1/aal2-challenges" => open(deps, &caller, request, now).await,
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

async fn open(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let post = Post {
        request,
        owner: &caller.owner,
        credential: None,
        table: &deps.table,
        owner_key: &deps.owner_key,
        timing: deps.timing(),
    };
    // If an earlier attempt under this key died, the caller never got the link of its challenge. This attempt opens
    // another challenge, which supersedes that challenge.
    post.once((now, clock::new_id()), async |_attempt| {
        let redirect = redirects::allowed(&deps.redirects, &body(request, redirects::read)?)?;
        let (opened, allowance) = open::open(deps, &caller.owner, &caller.actor, &redirect).await?;
        let reply = limited(json(201, &opened), Some(&allowance));
        Ok(PostAnswer::until(reply, opened.link_expires_at))
    })
    .await
}
