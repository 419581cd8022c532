//! Serves each connection in its own task, so that the gate can drop a connection without an answer. axum's own server
//! cannot do this.

use crate::listener::stopped;
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

/// Pause after a failed accept. Without the pause, a lack of file descriptors becomes a busy loop.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// Marks a response that must not be sent: the connection ends instead.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dropped;

impl Dropped {
    pub(crate) fn response() -> Response {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Dropped);
        response
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
struct DroppedOnPurpose;

/// Accepts connections until `stop` turns true, then lets open connections finish their current request.
pub(crate) async fn serve(listener: TcpListener, router: Router, stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stopping = std::pin::pin!(stopped(stop.clone()));
    loop {
        tokio::select! {
            () = &mut stopping => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve_connection(stream, router.clone(), stop.clone())); }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
            },
            Some(ended) = connections.join_next() => note(ended),
        }
    }
    drop(listener);
    while let Some(ended) = connections.join_next().await {
        note(ended);
    }
}

fn note(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection's task panicked or was cancelled");
    }
}

async fn serve_connection(stream: TcpStream, router: Router, stop: watch::Receiver<bool>) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(router.clone(), request.map(Body::new)));
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: Request) -> Result<Response, DroppedOnPurpose> {
    let Ok(response): Result<_, Infallible> = router.oneshot(request).await;
    match response.extensions().get::<Dropped>() {
        Some(Dropped) => Err(DroppedOnPurpose),
        None => Ok(response),
    }
}
