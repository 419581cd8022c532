//! Serves the files behind links in chunks, as S3 does.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream;
use tokio::sync::mpsc;

use super::{Params, add};
use crate::app::App;
use crate::files::{FileRefusal, Object, refusal_body};
use crate::operation::Operation;
use crate::records::View;

/// Chunks that are made ahead of the reader.
const CHUNKS_AHEAD: usize = 4;

type Chunks = mpsc::Sender<Result<Bytes, Infallible>>;

pub(super) fn mount(router: Router<Arc<App>>) -> Router<Arc<App>> {
    add(router, Operation::DownloadFile, download)
}

async fn download(
    State(app): State<Arc<App>>,
    Path((bucket, key)): Path<(String, String)>,
    params: Params,
) -> Response {
    match app.act(|world, now| world.files.open(now, &bucket, &key, &params)) {
        Ok(Object::Record(view)) => plain(view).await,
        Ok(Object::PackedRecord(view, padding)) => packed(view, padding),
        Ok(Object::Document { content_type, body }) => ([(header::CONTENT_TYPE, content_type)], body).into_response(),
        Err(refusal) => refusal.into_response(),
    }
}

impl IntoResponse for FileRefusal {
    fn into_response(self) -> Response {
        let (status, code, message) = self.status_code_and_message();
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        let body = refusal_body(code, message);
        (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
    }
}

/// The Bundle uncompressed, with its length.
async fn plain(view: View) -> Response {
    let task = tokio::task::spawn_blocking(move || {
        let bundle = view.bundle();
        (bundle.content_length(), bundle)
    });
    let Ok((length, bundle)) = task.await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let body = chunked(move |chunks| {
        for chunk in bundle {
            if chunks.blocking_send(Ok(chunk)).is_err() {
                return;
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/json".to_owned()),
        (header::CONTENT_LENGTH, length.to_string()),
    ];
    (headers, body).into_response()
}

/// The Bundle compressed. Metriport stores this file with both headers below, so most HTTP clients decompress it.
fn packed(view: View, padding: usize) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/gzip"),
        (header::CONTENT_ENCODING, "gzip"),
    ];
    (headers, chunked(move |chunks| pack(&view, padding, &chunks))).into_response()
}

fn pack(view: &View, padding: usize, chunks: &Chunks) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    for chunk in view.bundle() {
        let written = encoder.write_all(&chunk);
        let ready = std::mem::take(encoder.get_mut());
        if written.is_err() || (!ready.is_empty() && chunks.blocking_send(Ok(ready.into())).is_err()) {
            return;
        }
    }
    match encoder.finish() {
        Ok(mut rest) => {
            rest.resize(rest.len() + padding, 0);
            if chunks.blocking_send(Ok(rest.into())).is_err() {
                tracing::debug!("the reader closed the connection");
            }
        }
        Err(error) => tracing::warn!(%error, "compression failed"),
    }
}

/// A body made on its own thread, at the speed of the reader.
fn chunked(make: impl FnOnce(Chunks) + Send + 'static) -> Body {
    let (chunks, ready) = mpsc::channel(CHUNKS_AHEAD);
    tokio::task::spawn_blocking(move || make(chunks));
    Body::from_stream(stream::unfold(ready, async |mut ready| {
        ready.recv().await.map(|chunk| (chunk, ready))
    }))
}
