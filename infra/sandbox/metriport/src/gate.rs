//! The middleware for every call: the gateway's checks of key and quota, faults, the per-minute limits, and the call
//! log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};

use crate::about::About;
use crate::app::App;
use crate::calls::Call;
use crate::envelope::Refusal;
use crate::faults::{self, Failure, RefusedSources, Reset};
use crate::interception::Watched;
use crate::interceptor::Passage;
use crate::limits::Spent;
use crate::operation::Operation;

/// Largest body that Metriport accepts (public code).
pub(crate) const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

/// Answers a call whose route exists.
pub(crate) async fn pass(State(app): State<Arc<App>>, route: MatchedPath, request: Request, next: Next) -> Response {
    let operation = Operation::of(request.method(), route.as_str());
    let call = call_of(&request, operation.map_or("*", Operation::route));
    let number = app.calls().begin(operation, call);
    let headers = request.headers().clone();
    let response = match operation {
        Some(operation) => answer(&app, operation, request, next).await,
        None => admit(&app, &headers)
            .err()
            .unwrap_or_else(Refusal::unknown_route)
            .into_response(),
    };
    let sent = response.extensions().get::<Reset>().is_none();
    app.calls()
        .end(number, operation, sent.then(|| response.status().as_u16()));
    response
}

/// Answers a call whose route does not exist. The gateway checks the API key first.
pub(crate) async fn unknown_route(State(app): State<Arc<App>>, request: Request) -> Response {
    let number = app.calls().begin(None, call_of(&request, "*"));
    let refusal = admit(&app, request.headers())
        .err()
        .unwrap_or_else(Refusal::unknown_route);
    app.calls().end(number, None, Some(refusal.status));
    refusal.into_response()
}

fn call_of(request: &Request, route: &'static str) -> Call {
    Call {
        method: request.method().to_string(),
        route,
        user_agent: user_agent(request).to_owned(),
        status: None,
    }
}

fn user_agent(request: &Request) -> &str {
    let agent = request.headers().get(header::USER_AGENT);
    agent.and_then(|agent| agent.to_str().ok()).unwrap_or_default()
}

async fn answer(app: &App, operation: Operation, request: Request, next: Next) -> Response {
    if operation.is_api()
        && let Err(refusal) = admit(app, request.headers())
    {
        return refusal.into_response();
    }
    let (request, about) = match app.interception.watches() {
        true => about(app, operation, request).await,
        false => (request, About::default()),
    };
    let watched = app.interception.watch(operation, user_agent(&request), about);
    if let Some(watched) = &watched
        && watched.before().await == Passage::Drop
    {
        return faults::reset();
    }
    let failure = failure(app, operation, watched.as_ref());
    match failure {
        None => act(app, operation, watched.as_ref(), request, next).await,
        Some(Failure::Status {
            code,
            body,
            content_type,
        }) => faults::status(code, body, content_type),
        Some(Failure::RateLimited { retry_after_secs }) => faults::rate_limited(retry_after_secs),
        Some(Failure::ResetBeforeEffect) => faults::reset(),
        Some(Failure::Odd(body)) => body.response(),
        Some(Failure::SourcesRefused { sources, http_status }) => {
            let mut request = request;
            request.extensions_mut().insert(RefusedSources { sources, http_status });
            act(app, operation, watched.as_ref(), request, next).await
        }
        Some(after) => spoil(act(app, operation, watched.as_ref(), request, next).await, after).await,
    }
}

/// The person and metadata of a call. The body is read and put back. A body that is not JSON has no metadata.
async fn about(app: &App, operation: Operation, request: Request) -> (Request, About) {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, BODY_BYTES_MAX).await.unwrap_or_default();
    let about = app.act(|world, _| world.about(operation, &parts.uri, &body));
    (Request::from_parts(parts, Body::from(body)), about)
}

/// Takes the requested fault, or else the plan's, and counts it.
fn failure(app: &App, operation: Operation, watched: Option<&Watched>) -> Option<Failure> {
    let requested = app.faults().take(operation);
    let failure = requested.or_else(|| watched?.decide());
    let failure = failure.filter(|failure| failure.suits(operation))?;
    app.interception.count(failure.kind());
    Some(failure)
}

/// Runs the call, and lets the interceptor drop its answer.
async fn act(app: &App, operation: Operation, watched: Option<&Watched>, request: Request, next: Next) -> Response {
    let response = limited(app, operation, request, next).await;
    match watched {
        Some(watched) if watched.after(response.status().as_u16()).await == Passage::Drop => faults::reset(),
        _ => response,
    }
}

/// Spoils the answer of a call that has had its effect. A dropped answer stays dropped.
async fn spoil(response: Response, failure: Failure) -> Response {
    if response.extensions().get::<Reset>().is_some() {
        return response;
    }
    match failure {
        Failure::Garbage => faults::garbage(),
        Failure::HangFor(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            response
        }
        Failure::TruncateAfter(bytes) => response.map(|body| truncated(body, bytes)),
        Failure::StatusAfterEffect {
            code,
            body,
            content_type,
        } => faults::status(code, body, content_type),
        Failure::Status { .. }
        | Failure::RateLimited { .. }
        | Failure::SourcesRefused { .. }
        | Failure::Odd(_)
        | Failure::ResetBeforeEffect
        | Failure::ResetAfterEffect => faults::reset(),
    }
}

/// The first bytes of the body, then an error, which ends the connection.
fn truncated(body: Body, bytes_max: usize) -> Body {
    let start = (body.into_data_stream(), bytes_max);
    Body::from_stream(stream::try_unfold(start, async |(mut rest, left)| {
        if left == 0 {
            return Err(std::io::Error::other("cut off on purpose"));
        }
        match rest.next().await {
            None => Ok(None),
            Some(Err(error)) => Err(std::io::Error::other(error)),
            Some(Ok(chunk)) => {
                let piece: Bytes = chunk.slice(..chunk.len().min(left));
                let left = left - piece.len();
                Ok(Some((piece, (rest, left))))
            }
        }
    }))
}

/// The gateway's checks: the API key, and the day's quota.
fn admit(app: &App, headers: &HeaderMap) -> Result<(), Refusal> {
    let key = headers.get("x-api-key").map(HeaderValue::as_bytes).unwrap_or_default();
    app.act(|world, now| {
        if !world.api_keys.admit(key) {
            return Err(Refusal::bad_api_key());
        }
        let within = world.limits.spend_day(world.options.daily_quota, now);
        if within { Ok(()) } else { Err(Refusal::quota_exceeded()) }
    })
}

async fn limited(app: &App, operation: Operation, request: Request, next: Next) -> Response {
    let budget = operation.budget();
    let spent = budget
        .and_then(|budget| app.act(|world, now| world.options.rate_limits.then(|| world.limits.spend(budget, now))));
    let Some(spent) = spent else {
        return next.run(request).await;
    };
    let mut response = if spent.allowed {
        next.run(request).await
    } else {
        app.calls().limit(operation);
        Refusal::too_many_requests().into_response()
    };
    put_limit_headers(response.headers_mut(), spent);
    response
}

/// The headers of express-rate-limit, with `Retry-After` only on refusals.
fn put_limit_headers(headers: &mut HeaderMap, spent: Spent) {
    let number = |name: &'static str, value: i64| (HeaderName::from_static(name), HeaderValue::from(value));
    headers.extend([
        number("ratelimit-limit", i64::from(spent.limit)),
        number("ratelimit-remaining", i64::from(spent.remaining)),
        number("ratelimit-reset", spent.reset_secs),
    ]);
    if let Ok(policy) = HeaderValue::from_str(&format!("{};w=60", spent.limit)) {
        headers.insert("ratelimit-policy", policy);
    }
    if !spent.allowed {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(spent.reset_secs));
    }
}
