//! Plays the front of a deployed API: a domain with its mappings, and an API that lacks some routes or authorizers.

use std::net::Ipv4Addr;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::{IntoResponse as _, Json, Response};
use axum::{Router, http::StatusCode};
use serde_json::json;
use tokio::net::TcpListener;

use crate::harness::BOUND;

/// How requests reach the API.
#[derive(Clone, Default)]
pub struct Mappings {
    /// A further mapping of the API, as the parameter WebhookSegment makes it.
    pub segment: &'static str,
    /// A prefix that is mapped to an API without routes.
    pub closed: &'static str,
    /// A prefix that is mapped to the same API, which matches routes by the rest of the path.
    pub stripped: &'static str,
    /// Paths whose routes were not imported.
    pub missing: &'static [&'static str],
    /// Paths whose routes have no authorizer, so the function answers.
    pub unguarded: &'static [&'static str],
}

struct Front {
    mappings: Mappings,
    api: String,
    client: reqwest::Client,
}

/// Serves `api` through the mappings until the test ends; returns the address.
pub async fn serve(api: &str, mappings: Mappings) -> String {
    let front = Arc::new(Front {
        mappings,
        api: api.to_owned(),
        client: shared::metriport::http_client(BOUND, BOUND).expect("a client"),
    });
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let router = Router::new().fallback(answer).with_state(front);
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}")
}

async fn answer(
    State(front): State<Arc<Front>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let Mappings {
        segment,
        closed,
        stripped,
        missing,
        unguarded,
    } = front.mappings.clone();
    let of_segment = uri.path().strip_prefix(segment).filter(|_| !segment.is_empty());
    let path = of_segment.unwrap_or(uri.path());
    let is_before = |prefix: &str| of_segment.is_none() && !prefix.is_empty() && path.starts_with(prefix);
    let is_closed = is_before(closed);
    let path = if is_before(stripped) {
        rest(path, stripped)
    } else {
        path
    };
    if is_closed || missing.contains(&path) {
        return (StatusCode::NOT_FOUND, Json(json!({ "message": "Not Found" }))).into_response();
    }
    if unguarded.contains(&path) {
        return (StatusCode::BAD_REQUEST, Json(json!({ "code": "body_invalid" }))).into_response();
    }
    let request = front.client.request(method, format!("{}{path}", front.api));
    let forwarded = headers.into_iter().filter_map(|(name, value)| Some((name?, value)));
    let forwarded = forwarded.filter(|(name, _)| !["host", "content-length"].contains(&name.as_str()));
    let answer = request
        .headers(forwarded.collect())
        .body(body)
        .send()
        .await
        .expect("an answer");
    let json = [(header::CONTENT_TYPE, "application/json")];
    (answer.status(), json, answer.bytes().await.expect("a body")).into_response()
}

/// Removes as many segments from the path as the prefix has. A mapping also matches if the last of them is longer than
/// the prefix's.
fn rest<'p>(path: &'p str, prefix: &str) -> &'p str {
    let mut slashes = path.match_indices('/').skip(prefix.matches('/').count());
    slashes.next().and_then(|(start, _)| path.get(start..)).unwrap_or("/")
}
