//! Serves connections with hyper, because axum's own server cannot drop a connection without an answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::faults::Reset;

/// Pause after a failed accept, so that a lack of file descriptors does not cause a busy loop.
const PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(50);

/// A fault ends the connection.
#[derive(Debug, thiserror::Error)]
#[error("the connection is dropped on purpose")]
struct DroppedOnPurpose;

/// Accepts connections until this future is dropped, which also ends open connections.
pub(crate) async fn serve(listener: TcpListener, router: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => { connections.spawn(serve_connection(stream, router.clone())); }
                Err(error) => {
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(PAUSE_AFTER_REFUSAL).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task panicked or was cancelled");
                }
            }
        }
    }
}

async fn serve_connection(stream: TcpStream, router: Router) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY could not be set");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| answer(router.clone(), request.map(Body::new)));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), service);
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(router: Router, request: Request) -> Result<Response, DroppedOnPurpose> {
    let Ok(response): Result<_, Infallible> = router.oneshot(request).await;
    match response.extensions().get::<Reset>() {
        Some(Reset) => Err(DroppedOnPurpose),
        None => Ok(response),
    }
}
