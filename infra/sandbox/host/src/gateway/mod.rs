//! An API Gateway HTTP API (payload format 2.0) on a loopback listener: route, authorize, map the request to an
//! event, map the reply back. What API Gateway refuses itself has API Gateway's own bodies.

mod cors;
mod event;
mod reply;
mod route;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Map, Value};

pub use route::RouteError;
pub(crate) use route::RouteTable;

use crate::clock;
use crate::jwt::{Issuer, TokenRefusal, verify};
use crate::lambda::{Dispatcher, Identity, InvokeError};
use crate::template::HttpApi;
use event::EventSource;
use route::Matched;

/// Most bytes of a request body (docs.aws.amazon.com, "Quotas for HTTP APIs": payload size).
const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;

/// One HTTP API.
pub(crate) struct Gateway {
    pub(crate) api: HttpApi,
    pub(crate) routes: RouteTable,
    pub(crate) issuer: Issuer,
    pub(crate) identity: Identity,
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) base_url: String,
}

/// What API Gateway answers by itself.
enum Refusal {
    Unauthorized(Option<TokenRefusal>),
    NotFound,
    TooLarge,
    /// The function failed, or its reply is not one.
    InternalServerError,
    /// The function was not done in time.
    ServiceUnavailable,
}

pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let (discovery, keys) = (gateway.issuer.discovery(&gateway.base_url), gateway.issuer.jwks());
    Router::new()
        .route("/.well-known/openid-configuration", get(async || Json(discovery)))
        .route("/.well-known/jwks.json", get(async || Json(keys)))
        .fallback(answer)
        .with_state(gateway)
}

async fn answer(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
) -> Response {
    let request_id = clock::new_id().to_string();
    let (parts, body) = request.into_parts();
    if let Some(preflight) = gateway.api.cors.as_ref().and_then(|cors| cors::preflight(cors, &parts)) {
        return preflight;
    }
    let mut response = match gateway.handle(&parts, body, peer, &request_id).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    if let Some(cors) = &gateway.api.cors {
        cors::decorate(cors, &parts.headers, response.headers_mut());
    }
    if let Ok(value) = HeaderValue::try_from(request_id) {
        response.headers_mut().insert("apigw-requestid", value);
    }
    response
}

impl Gateway {
    async fn handle(&self, parts: &Parts, body: Body, peer: SocketAddr, request_id: &str) -> Result<Response, Refusal> {
        let matched = self
            .routes
            .find(&parts.method, parts.uri.path())
            .ok_or(Refusal::NotFound)?;
        let claims = self.authorize(&matched, &parts.headers)?;
        let body = to_bytes(body, BODY_BYTES_MAX).await.or(Err(Refusal::TooLarge))?;
        let event = event::build(&EventSource {
            parts,
            body: &body,
            peer,
            matched: &matched,
            claims: claims.as_ref(),
            request_id,
            now_ms: clock::now_ms(),
            account_id: &self.identity.account_id,
            api_id: &self.api.logical_id,
        });
        let reply = self.invoke(&matched, event).await?;
        reply::response(&reply).or(Err(Refusal::InternalServerError))
    }

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
        // The function goes on after API Gateway has given up on it.
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
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::NotFound => (StatusCode::NOT_FOUND, "Not Found"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "Request Entity Too Large"),
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

/// docs.aws.amazon.com, "Troubleshooting issues with HTTP API JWT authorizers".
fn challenge(refusal: Option<TokenRefusal>) -> HeaderValue {
    let text =
        refusal.map(|refusal| format!("Bearer scope=\"\" error=\"invalid_token\" error_description=\"{refusal}\""));
    let value = text.and_then(|text| HeaderValue::try_from(text).ok());
    value.unwrap_or_else(|| HeaderValue::from_static("Bearer"))
}
