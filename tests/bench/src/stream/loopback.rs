//! Everything a transfer touches, on one port of loopback: the link, an S3 that throws away what it is given, a table
//! of one record, and queues that take everything. What is measured is the other side.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::bundle::Bundle;
use crate::Problem;
use crate::bed::answers::BUCKET;

/// The path of the link.
pub const LINK: &str = "/link";
/// The secret that functions are given.
pub const SECRET: &str = "stream-owner-key-0123456789abcdefghijkl";

/// What was seen of one transfer.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// When the link was opened.
    pub opened: Option<Instant>,
    /// When the object became visible.
    pub placed: Option<Instant>,
    /// Bytes the bucket was given.
    pub bytes: u64,
}

impl Seen {
    /// From the opened link to the visible object.
    pub fn took(&self) -> Option<Duration> {
        Some(self.placed?.duration_since(self.opened?))
    }
}

#[derive(Default)]
struct Inside {
    bundle: Option<Bundle>,
    item: Value,
    seen: Seen,
}

/// The other side, until the runtime ends.
pub struct Loopback {
    /// Host and port.
    pub host: String,
    inside: Arc<Mutex<Inside>>,
}

impl Loopback {
    /// Begins to answer.
    ///
    /// # Errors
    /// When there is no port to be had.
    pub async fn start() -> Result<Self, Problem> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let host = listener.local_addr()?.to_string();
        let inside = Arc::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&inside));
        tokio::spawn(axum::serve(listener, router).into_future());
        Ok(Self { host, inside })
    }

    /// What lies behind the link from now on; nothing has been seen of it.
    pub fn offer(&self, bundle: &Bundle) {
        let mut inside = lock(&self.inside);
        inside.bundle = Some(bundle.clone());
        inside.seen = Seen::default();
    }

    /// What was seen since.
    pub fn seen(&self) -> Seen {
        lock(&self.inside).seen.clone()
    }

    /// The item that was written last.
    pub fn item(&self) -> Value {
        lock(&self.inside).item.clone()
    }
}

fn lock(inside: &Mutex<Inside>) -> MutexGuard<'_, Inside> {
    inside.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn answer(State(inside): State<Arc<Mutex<Inside>>>, request: Request) -> Response {
    let (path, method) = (request.uri().path().to_owned(), request.method().clone());
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    if path == LINK {
        return link(&inside);
    }
    match target.and_then(|target| target.rsplit('.').next()).map(str::to_owned) {
        Some(operation) => aws(&inside, &operation, request).await,
        None if path.starts_with(&format!("/{BUCKET}/")) => bucket(&inside, &method, request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn link(inside: &Mutex<Inside>) -> Response {
    let mut inside = lock(inside);
    inside.seen.opened.get_or_insert_with(Instant::now);
    let Some(bundle) = &inside.bundle else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_LENGTH, bundle.bytes.to_string()),
    ];
    let body = bundle.send().map(Ok::<_, std::convert::Infallible>);
    (headers, Body::from_stream(body)).into_response()
}

/// Begins, takes and ends uploads; the bytes go nowhere.
async fn bucket(inside: &Mutex<Inside>, method: &Method, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default().to_owned();
    let mut body = request.into_body().into_data_stream();
    let mut bytes = 0;
    while let Some(piece) = body.next().await {
        let Ok(piece) = piece else {
            return StatusCode::BAD_REQUEST.into_response();
        };
        bytes += piece.len() as u64;
    }
    let mut inside = lock(inside);
    if method == Method::POST && query.contains("uploads") {
        return xml("<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>");
    }
    if method == Method::PUT {
        inside.seen.bytes += bytes;
        if !query.contains("partNumber") {
            inside.seen.placed = Some(Instant::now());
        }
        return [(header::ETAG, "\"1\"")].into_response();
    }
    inside.seen.placed = Some(Instant::now());
    xml("<CompleteMultipartUploadResult><ETag>\"1\"</ETag></CompleteMultipartUploadResult>")
}

fn xml(body: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// One item, under whatever key it is asked for; locks are not there.
async fn aws(inside: &Mutex<Inside>, operation: &str, request: Request) -> Response {
    let body = axum::body::to_bytes(request.into_body(), 1 << 20)
        .await
        .unwrap_or_default();
    let input: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut inside = lock(inside);
    let output = match operation {
        "GetItem" if input["Key"]["sk"] == inside.item["sk"] => json!({ "Item": inside.item }),
        "TransactWriteItems" => {
            let writes = input["TransactItems"].as_array().into_iter().flatten();
            let mut items = writes.map(|write| &write["Put"]["Item"]);
            let is_record = |item: &&Value| item["sk"]["S"].as_str().is_some_and(|key| key.starts_with("RECORD#"));
            if let Some(item) = items.find(is_record) {
                inside.item = item.clone();
            }
            json!({})
        }
        "SendMessage" => json!({ "MessageId": "059f36b4-87a3-44ab-83d2-661975830a7d" }),
        "GetSecretValue" => json!({ "ARN": "key", "Name": "key", "SecretString": SECRET }),
        _ => json!({}),
    };
    (
        [(header::CONTENT_TYPE, "application/x-amz-json-1.0")],
        output.to_string(),
    )
        .into_response()
}
