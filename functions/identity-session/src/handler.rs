//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::domain::patient::{FingerprintKey, PatientDetails};
use shared::domain::{RecordFolder, Time};
use shared::edge::http::request::{body, route};
use shared::edge::http::{Caller, Code, Post, PostAnswer, Problem, json, limited, respond};
use shared::edge::{redirects, refuse_withdrawn};
use shared::ports::{Clock as _, ConsentTerms as _};
use shared::{Error, clock};

use crate::patient::{CheckedDemographics, LinkSecrets};
use crate::{Deps, open, patient, standing};

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
        "PUT /v1/patient" => link(deps, &caller, request, now).await,
        "POST /v1/identity-sessions" => open(deps, &caller, request, now).await,
        "GET /v1/identity" => Ok(json(200, &standing::show(deps.io(), &caller.owner, now).await?)),
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

async fn link(deps: &Deps, caller: &Caller, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let person = patient::Person {
        owner: &caller.owner,
        actor: &caller.actor,
        external_id: caller.external_id(&deps.external_id_claim)?,
        facility: &deps.facility,
    };
    let details = body(request, |input, faults| PatientDetails::read(input, now, faults))?;
    let checked = CheckedDemographics::check(details, &deps.claim_rules, caller.claims(), &deps.owner_key)?;
    let secrets = LinkSecrets {
        folder: RecordFolder::new(clock::new_secret()),
        key: FingerprintKey::new([clock::new_secret(), clock::new_secret()]),
    };
    let (linked, allowance) = patient::link(deps.io(), &person, checked, secrets).await?;
    let shown = standing::read(deps.io(), &caller.owner, &linked, now).await?;
    Ok(limited(json(200, &shown), allowance.as_ref()))
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
    // If an earlier attempt under this key died, the caller never got the link of its session. This attempt opens
    // another session, with a new mark, which supersedes that session.
    post.once((now, clock::new_id()), async |_attempt| {
        let redirect = redirects::allowed(&deps.redirects, &body(request, redirects::read)?)?;
        let (owner, actor) = (&caller.owner, &caller.actor);
        let (opened, allowance) = open::open(deps.io(), owner, actor, &redirect, clock::new_id()).await?;
        let reply = limited(json(201, &opened), Some(&allowance));
        Ok(PostAnswer::until(reply, opened.link_expires_at))
    })
    .await
}
