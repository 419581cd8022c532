//! The routes. Handlers only translate between HTTP and the world.

mod files;
mod hosted;
mod identity;
mod patients;
mod queries;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Query};
use axum::handler::Handler;
use axum::http::HeaderMap;
use axum::middleware;
use axum::routing::{MethodFilter, on};
use bytes::Bytes;
use serde_json::Value;

use crate::app::App;
use crate::envelope::Refusal;
use crate::gate;
use crate::operation::Operation;

const BODY_BYTES_MAX: usize = 20 * 1024 * 1024;

type Params = Query<HashMap<String, String>>;

/// All routes, with the middleware of `gate` in front of them.
pub(crate) fn router(app: Arc<App>) -> Router {
    let router = Router::new();
    let router = settings::mount(identity::mount(patients::mount(router)));
    let router = files::mount(hosted::mount(queries::mount(router)));
    router
        .method_not_allowed_fallback(gate::unknown_route)
        .route_layer(middleware::from_fn_with_state(Arc::clone(&app), gate::pass))
        .fallback(gate::unknown_route)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(app)
}

fn add<T: 'static>(
    router: Router<Arc<App>>,
    operation: Operation,
    handler: impl Handler<T, Arc<App>>,
) -> Router<Arc<App>> {
    match MethodFilter::try_from(operation.method()) {
        Ok(method) => router.route(operation.route(), on(method, handler)),
        Err(error) => {
            tracing::error!(%error, route = operation.route(), "route without a usable method");
            router
        }
    }
}

/// Reads a body as JSON; an empty body is an empty object.
fn json_body(body: &Bytes) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("Body is not JSON: {}", kind(&error))))
}

/// The kind of error in a text, without quoting the text.
fn kind(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early",
        _ => "it cannot be read",
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
