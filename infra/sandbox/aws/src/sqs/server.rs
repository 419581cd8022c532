//! The HTTP edge of SQS. It accepts any path; a header names the operation.

use super::account::Account;
use super::broker::Broker;
use super::handle::SqsHandle;
use super::operations::{self, Sender};
use super::refusal::Refusal;
use super::snapshot;
use crate::error::Error;
use crate::gate::{Caller, UNKNOWN_OPERATION};
use crate::interception::Interception;
use crate::json_protocol::{self, Version};
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::{Extension, Router};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;

const TRACE_HEADER: &str = "x-amzn-trace-id";
/// The largest request body: 1 MiB of messages as JSON, in which a character can take six bytes.
const BODY_BYTES_MAX: usize = 8 * 1024 * 1024;

pub(crate) struct Sqs {
    broker: Arc<Broker>,
    handle: SqsHandle,
    saving: Option<(PathBuf, JoinHandle<()>)>,
}

/// Loads the queues from `path`, if given. Queue URLs begin with `base_url`.
pub(crate) fn start(
    path: Option<PathBuf>,
    region: &str,
    time_scale: u32,
    base_url: String,
    stop: watch::Receiver<bool>,
    interception: Option<Interception>,
) -> Result<(Sqs, Router), Error> {
    let mut account: Account = snapshot::load(path.as_deref(), region)?;
    account.set_time_scale(time_scale);
    let broker = Arc::new(Broker::new(account, base_url, stop.clone(), interception));
    let router = Router::new()
        .fallback(serve)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(broker.clone());
    let saving = path.map(|path| {
        let task = tokio::spawn(snapshot::keep_saving(broker.clone(), path.clone(), stop));
        (path, task)
    });
    Ok((
        Sqs {
            handle: SqsHandle::new(broker.clone()),
            broker,
            saving,
        },
        router,
    ))
}

impl Sqs {
    pub(crate) fn handle(&self) -> &SqsHandle {
        &self.handle
    }

    /// Saves the queues for the last time. Later changes would be lost.
    pub(crate) async fn save(self) -> Result<(), Error> {
        let Some((path, task)) = self.saving else { return Ok(()) };
        if let Err(error) = task.await {
            tracing::error!(%error, "the task that saves the queues panicked");
        }
        snapshot::save(&self.broker, &path)
    }
}

async fn serve(
    State(broker): State<Arc<Broker>>,
    Extension(Caller(access_key_id)): Extension<Caller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let operation = json_protocol::target(&headers).unwrap_or(UNKNOWN_OPERATION);
    let sender = Sender {
        id: access_key_id.as_deref().unwrap_or("anonymous"),
        trace_header: headers.get(TRACE_HEADER).and_then(|header| header.to_str().ok()),
    };
    match operations::run(&broker, operation, &body, sender).await {
        Ok(output) => json_protocol::reply(StatusCode::OK, Version::V1_0, &output),
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Response<Body> {
    let body = json!({ "__type": refusal.shape(), "message": refusal.to_string() });
    let mut response = json_protocol::reply(refusal.status(), Version::V1_0, &body);
    let fault = if refusal.status().is_client_error() {
        "Sender"
    } else {
        "Receiver"
    };
    if let Ok(code) = HeaderValue::from_str(&format!("{};{fault}", refusal.query_code())) {
        response.headers_mut().insert("x-amzn-query-error", code);
    }
    response
}
