//! Translates requests and replies.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::domain::record::RecordQuery;
use shared::domain::{OwnerId, RecordId, Time};
use shared::edge::http::request::{body, path_id, route};
use shared::edge::http::{Caller, Code, Post, PostAnswer, Problem, json, limited, respond};
use shared::edge::refuse_withdrawn;
use shared::metrics::{Metric, Metrics};
use shared::ports::{Clock as _, ConsentTerms as _};
use shared::{Error, clock};

use crate::{Deps, request, view};

/// Answers one request. Every failure becomes a reply.
pub async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    let answer = answer(deps, &request).await;
    let answer = answer.map_err(|error| refuse_withdrawn(error, deps.consent_rule()));
    Ok(respond(answer))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let now = deps.now();
    let caller = Caller::of(request, &deps.owner_key, &deps.assurance, now)?;
    let (owner, actor) = (&caller.owner, &caller.actor);
    match route(request).as_str() {
        "GET /v1/records" => Ok(json(200, &view::list(deps.io(), owner, actor, now).await?)),
        "GET /v1/records/{id}" => {
            let id = path_id(request, RecordId::parse)?;
            let (record, allowance) = view::show(deps.io(), owner, actor, id, now).await?;
            Ok(limited(json(200, &record), allowance.as_ref()))
        }
        "POST /v1/records" => ask(deps, owner, request, now).await,
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}

async fn ask(deps: &Deps, owner: &OwnerId, request: &Request, now: Time) -> Result<Response<Body>, Error> {
    let post = Post {
        request,
        owner,
        credential: None,
        table: &deps.table,
        owner_key: &deps.owner_key,
        timing: deps.timing(),
    };
    post.once((now, clock::new_id()), async |attempt| {
        let ask = request::RecordAsk {
            query: body(request, RecordQuery::read)?,
            id: RecordId::new(attempt.id),
            resumed: attempt.resumed,
        };
        let outcome = request::request(deps.io(), owner, ask).await;
        let (record, allowance) = outcome.inspect_err(|error| count_if_full(&deps.metrics, error))?;
        let reply = json(202, &view::of_record(&record, now));
        Ok(PostAnswer::lasting(limited(reply, allowance.as_ref())))
    })
    .await
}

/// Counts a request that was refused because the person has too many unfinished records.
fn count_if_full(metrics: &Metrics, error: &Error) {
    if matches!(error, Error::Refused(problem) if problem.code == Code::TooManyOpen) {
        metrics.put(&[Metric::share_refused("open")]);
    }
}
