//! The Lambda Runtime API of one process (docs.aws.amazon.com, "Using the Lambda runtime API for custom runtimes"). The
//! API has no path or header that names the process, so each process has its own listener.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::{mpsc, oneshot, watch};

use super::PAYLOAD_BYTES_MAX;

/// One invocation on its way to a process.
pub(super) struct Job {
    pub(super) request_id: String,
    /// Epoch milliseconds.
    pub(super) deadline_ms: u64,
    pub(super) function_arn: String,
    pub(super) trace_id: String,
    pub(super) payload: Bytes,
    pub(super) reply: oneshot::Sender<Reply>,
}

pub(super) enum Reply {
    Response(Bytes),
    Error { error_type: String },
    TooLarge,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Starting,
    Ready,
    InitFailed {
        error_type: String,
    },
    Exited {
        status: String,
        /// The init error that the function reported before its end.
        init_error: Option<String>,
    },
}

/// Connects a process's Runtime API with the host.
pub(super) struct Mailbox {
    jobs: tokio::sync::Mutex<mpsc::Receiver<Job>>,
    current: Mutex<Option<(String, oneshot::Sender<Reply>)>>,
    pub(super) stage: watch::Sender<Stage>,
}

impl Mailbox {
    pub(super) fn new(jobs: mpsc::Receiver<Job>) -> Self {
        Self {
            jobs: tokio::sync::Mutex::new(jobs),
            current: Mutex::new(None),
            stage: watch::Sender::new(Stage::Starting),
        }
    }

    /// Records the end of the process, and keeps a reported init error.
    pub(super) fn exited(&self, status: String) {
        self.stage.send_modify(|stage| {
            let init_error = match &*stage {
                Stage::InitFailed { error_type } => Some(error_type.clone()),
                _ => None,
            };
            *stage = Stage::Exited { status, init_error };
        });
    }

    /// Drops the current invocation; returns whether the process held one.
    pub(super) fn abandon(&self) -> bool {
        self.current().take().is_some()
    }

    fn settle(&self, request_id: &str, reply: Reply) -> StatusCode {
        let held = self.current().take_if(|(held, _)| held == request_id);
        // If the host no longer waits, the reply came too late and is refused.
        match held.map(|(_, sender)| sender.send(reply)) {
            Some(Ok(())) => StatusCode::ACCEPTED,
            Some(Err(_)) | None => StatusCode::BAD_REQUEST,
        }
    }

    fn current(&self) -> MutexGuard<'_, Option<(String, oneshot::Sender<Reply>)>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The body in which a runtime reports an error.
#[derive(Deserialize)]
struct ReportedError {
    #[serde(rename = "errorType")]
    error_type: Option<String>,
}

pub(super) fn router(mailbox: Arc<Mailbox>) -> Router {
    Router::new()
        .route("/2018-06-01/runtime/invocation/next", get(next))
        .route("/2018-06-01/runtime/invocation/{request_id}/response", post(response))
        .route("/2018-06-01/runtime/invocation/{request_id}/error", post(error))
        .route("/2018-06-01/runtime/init/error", post(init_error))
        .with_state(mailbox)
}

async fn next(State(mailbox): State<Arc<Mailbox>>) -> Response {
    mailbox.stage.send_if_modified(|stage| {
        let first = *stage == Stage::Starting;
        if first {
            *stage = Stage::Ready;
        }
        first
    });
    let job = mailbox.jobs.lock().await.recv().await;
    let Some(job) = job else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("lambda-runtime-aws-request-id", job.request_id.clone()),
        ("lambda-runtime-deadline-ms", job.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", job.function_arn),
        ("lambda-runtime-trace-id", job.trace_id),
    ];
    // If the process has not replied to its last invocation, this write drops that invocation's sender, and the
    // invocation fails.
    *mailbox.current() = Some((job.request_id, job.reply));
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::try_from(value).ok()?)));
    let mut headers = HeaderMap::from_iter(headers);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (headers, job.payload).into_response()
}

async fn response(State(mailbox): State<Arc<Mailbox>>, Path(request_id): Path<String>, body: Body) -> Response {
    match to_bytes(body, PAYLOAD_BYTES_MAX).await {
        Ok(bytes) => mailbox.settle(&request_id, Reply::Response(bytes)).into_response(),
        Err(_) => {
            mailbox.settle(&request_id, Reply::TooLarge);
            StatusCode::PAYLOAD_TOO_LARGE.into_response()
        }
    }
}

async fn error(
    State(mailbox): State<Arc<Mailbox>>,
    Path(request_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let error_type = error_type(&headers, &body);
    mailbox.settle(&request_id, Reply::Error { error_type }).into_response()
}

async fn init_error(State(mailbox): State<Arc<Mailbox>>, headers: HeaderMap, body: Bytes) -> Response {
    mailbox.stage.send_replace(Stage::InitFailed {
        error_type: error_type(&headers, &body),
    });
    StatusCode::ACCEPTED.into_response()
}

/// The type in the body, otherwise the type in the header.
fn error_type(headers: &HeaderMap, body: &[u8]) -> String {
    let reported: Option<ReportedError> = serde_json::from_slice(body).ok();
    let header = || {
        headers
            .get("lambda-runtime-function-error-type")
            .and_then(|value| value.to_str().ok())
    };
    let from_body = reported.and_then(|reported| reported.error_type);
    from_body
        .or_else(|| header().map(str::to_owned))
        .unwrap_or_else(|| "Runtime.Unknown".to_owned())
}
