//! Replies to HTTP callers.

use lambda_http::http::HeaderValue;
use lambda_http::http::header::WWW_AUTHENTICATE;
use lambda_http::{Body, Response};
use serde::Serialize;

use super::problem::Problem;
use super::rate_limit::limited;
use crate::edge::error::Error;

/// A JSON reply that no cache may store.
#[must_use]
pub fn json(status: u16, body: &impl Serialize) -> Response<Body> {
    build(status, "application/json", body, None)
}

/// A reply in another form of JSON, such as FHIR's, that no cache may store.
#[must_use]
pub fn reply_as(status: u16, media_type: &str, body: &impl Serialize) -> Response<Body> {
    build(status, media_type, body, None)
}

/// The reply for a step's result. A failure on our side is logged with its context, for the operator. The caller gets
/// only the code.
#[must_use]
pub fn respond(result: Result<Response<Body>, Error>) -> Response<Body> {
    match result {
        Ok(reply) => reply,
        Err(error) => {
            let context = error.to_string();
            let problem = error.into_problem();
            let (code, status) = (problem.code.as_str(), problem.code.status());
            if status >= 500 {
                tracing::error!(code, status, context, "request failed");
            } else {
                tracing::info!(code, status, "request refused");
            }
            refusal(&problem)
        }
    }
}

/// A problem as a reply.
#[must_use]
pub fn refusal(problem: &Problem) -> Response<Body> {
    let reply = build(
        problem.code.status(),
        "application/problem+json",
        &problem.body(),
        problem.retry_after_secs,
    );
    challenged(limited(reply, problem.rate_limit.as_ref()), problem)
}

fn challenged(mut reply: Response<Body>, problem: &Problem) -> Response<Body> {
    let challenge = problem.www_authenticate();
    if let Some(value) = challenge.and_then(|text| HeaderValue::from_str(&text).ok()) {
        reply.headers_mut().insert(WWW_AUTHENTICATE, value);
    }
    reply
}

fn build(status: u16, media_type: &str, body: &impl Serialize, retry_after_secs: Option<u64>) -> Response<Body> {
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut reply = Response::builder()
        .status(status)
        .header("content-type", media_type)
        .header("cache-control", "no-store");
    if let Some(seconds) = retry_after_secs {
        reply = reply.header("retry-after", seconds);
    }
    reply
        .body(Body::Text(text))
        .unwrap_or_else(|_impossible| Response::new(Body::Empty))
}
