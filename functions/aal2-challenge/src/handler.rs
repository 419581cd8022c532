//! Requests in, replies out.

use std::convert::Infallible;

use lambda_http::{Body, Request, Response};
use shared::http::request::{body, route};
use shared::http::{Caller, Code, Problem, json, limited, respond};
use shared::{Error, clock};

use crate::{Deps, open};

pub(crate) async fn handle(deps: &Deps, request: Request) -> Result<Response<Body>, Infallible> {
    Ok(respond(answer(deps, &request).await))
}

async fn answer(deps: &Deps, request: &Request) -> Result<Response<Body>, Error> {
    let caller = Caller::of(request, &deps.owner_key)?;
    match route(request).as_str() {
        "POST /v1/aal2-challenges" => {
            let (opened, allowance) = open::open(deps, &caller.owner, &body(request)?, clock::now()).await?;
            Ok(limited(json(201, &opened), Some(&allowance)))
        }
        _ => Err(Problem::new(Code::NotFound).into()),
    }
}
