//! An API Gateway HTTP API (payload format 2.0) on a loopback listener. It finds the route, authorizes the request,
//! turns it into an event, and turns the function's reply into a response. Its own refusals have the bodies that API
//! Gateway sends. `docs/testing.md` lists the differences from AWS.

mod cors;
mod event;
mod host_header;
mod reply;
mod route;
mod throttle;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, RawQuery, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Map, Value};

pub use route::RouteError;
pub(crate) use route::RouteTable;

use crate::clock;
use crate::jwt::{Issuer, TokenRefusal, tokens, verify};
use crate::lambda::{Dispatcher, Identity, InvokeError};
use crate::template::HttpApi;
use event::{Client, EventSource};
use route::Matched;
use throttle::Buckets;

/// The largest request body, in bytes (docs.aws.amazon.com, "Quotas for HTTP APIs": payload size).
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

pub(crate) struct Gateway {
    pub(crate) api: HttpApi,
    pub(crate) routes: RouteTable,
    pub(crate) issuer: Issuer,
    pub(crate) identity: Identity,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) base_url: String,
    pub(crate) throttled: bool,
}

struct Front {
    gateway: Gateway,
    /// `None` if the gateway does not throttle requests.
    buckets: Option<Buckets>,
}

/// API Gateway's own refusals.
enum Refusal {
    BadRequest,
    Unauthorized(Option<TokenRefusal>),
    NotFound,
    TooLarge,
    TooManyRequests,
    /// The function failed, or its reply is invalid.
    InternalServerError,
    /// The function did not reply in time.
    ServiceUnavailable,
}

pub(crate) fn router(gateway: Gateway) -> Router {
    let (discovery, keys) = (gateway.issuer.discovery(&gateway.base_url), gateway.issuer.jwks());
    let buckets = gateway.throttled.then(|| Buckets::new(&gateway.api, clock::now_ms()));
    Router::new()
        .route("/.well-known/openid-configuration", get(async || Json(discovery)))
        .route("/.well-known/jwks.json", get(async || Json(keys)))
        .route("/token", get(token).post(token))
        .fallback(answer)
        .with_state(Arc::new(Front { gateway, buckets }))
}

/// Answers with a token of the sandbox's issuer. The API's CORS configuration also applies to this answer.
async fn token(State(front): State<Arc<Front>>, headers: HeaderMap, RawQuery(query): RawQuery) -> Response {
    let mut response = tokens::answer(&front.gateway.issuer, query.as_deref());
    if let Some(cors) = &front.gateway.api.cors {
        cors::decorate(cors, &headers, response.headers_mut());
    }
    response
}

async fn answer(
    State(front): State<Arc<Front>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let request_id = clock::new_id().to_string();
    let (parts, body) = request.into_parts();
    let mut response = front.respond(&parts, body, peer, &request_id).await;
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", value);
    }
    response
}

impl Front {
    async fn respond(&self, parts: &Parts, body: Body, peer: SocketAddr, request_id: &str) -> Response {
        let Some(authority) = host_header::read(&parts.headers) else {
            return Refusal::BadRequest.into_response();
        };
        let cors = self.gateway.api.cors.as_ref();
        if let Some(preflight) = cors.and_then(|cors| cors::preflight(cors, parts)) {
            return preflight;
        }
        let client = Client {
            parts,
            peer,
            authority: &authority,
            request_id,
        };
        let mut response = match self.handle(&client, body).await {
            Ok(response) => response,
            Err(refusal) => refusal.into_response(),
        };
        if let Some(cors) = cors {
            cors::decorate(cors, &parts.headers, response.headers_mut());
        }
        response
    }

    async fn handle(&self, client: &Client<'_>, body: Body) -> Result<Response, Refusal> {
        let (gateway, parts) = (&self.gateway, client.parts);
        let matched = gateway.routes.find(&parts.method, parts.uri.path());
        let matched = matched.ok_or(Refusal::NotFound)?;
        let now_ms = clock::now_ms();
        let admitted = self
            .buckets
            .as_ref()
            .is_none_or(|buckets| buckets.admit(&matched.route.key, now_ms));
        if !admitted {
            return Err(Refusal::TooManyRequests);
        }
        let claims = gateway.authorize(&matched, &parts.headers)?;
        let body = to_bytes(body, BODY_BYTES_MAX).await.or(Err(Refusal::TooLarge))?;
        let event = event::build(&EventSource {
            client,
            body: &body,
            matched: &matched,
            claims: claims.as_ref(),
            now_ms,
            account_id: &gateway.identity.account_id,
            api_id: &gateway.api.logical_id,
        });
        let reply = gateway.invoke(&matched, event).await?;
        reply::response(&reply).or(Err(Refusal::InternalServerError))
    }
}

impl Gateway {
    fn authorize(&self, matched: &Matched<'_>, headers: &HeaderMap) -> Result<Option<Map<String, Value>>, Refusal> {
        let Some(name) = &matched.route.authorizer else {
            return Ok(None);
        };
        let authorizer = self.api.authorizer(name).ok_or(Refusal::InternalServerError)?;
        let header = headers.get(header::AUTHORIZATION).ok_or(Refusal::Unauthorized(None))?;
        let header = header
            .to_str()
            .or(Err(Refusal::Unauthorized(Some(TokenRefusal::Malformed))))?;
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => header,
        };
        let claims = verify(token, authorizer, &self.issuer.public_key(), clock::now_ms() / 1_000);
        claims.map(Some).map_err(|refusal| Refusal::Unauthorized(Some(refusal)))
    }

    async fn invoke(&self, matched: &Matched<'_>, event: Value) -> Result<Bytes, Refusal> {
        let invocation = self
            .dispatcher
            .invoke(&matched.route.binary, Bytes::from(event.to_string()));
        // After the timeout API Gateway stops waiting, but the function continues.
        match tokio::time::timeout(Duration::from_millis(matched.route.timeout_ms), invocation).await {
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(InvokeError::RequestTooLarge { .. })) => Err(Refusal::TooLarge),
            Ok(Err(InvokeError::TimedOut { .. })) | Err(_) => Err(Refusal::ServiceUnavailable),
            Ok(Err(_)) => Err(Refusal::InternalServerError),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, message) = match self {
            Self::BadRequest => (StatusCode::BAD_REQUEST, "Bad Request"),
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "Too Many Requests"),
            Self::InternalServerError => (StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
            Self::ServiceUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "Service Unavailable"),
        };
        let mut response = (status, Json(serde_json::json!({ "message": message }))).into_response();
        if let Self::Unauthorized(refusal) = self {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, challenge(refusal));
        }
        response
    }
}

/// The `WWW-Authenticate` header of a 401 (docs.aws.amazon.com, "Troubleshooting issues with HTTP API JWT
/// authorizers").
fn challenge(refusal: Option<TokenRefusal>) -> HeaderValue {
    let text =
        refusal.map(|refusal| format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{refusal}\""));
    let value = text.and_then(|text| HeaderValue::try_from(text).ok());
    value.unwrap_or_else(|| HeaderValue::from_static("Bearer"))
}
