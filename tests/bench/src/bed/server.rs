//! HTTP/1.1 on loopback, with or without TLS.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A reply with its whole body.
pub type Reply = Response<Full<Bytes>>;

/// Answers requests.
pub trait Answer: Send + Sync + 'static {
    /// A connection was taken, before any TLS.
    fn connected(&self, at: Instant);
    /// Answers one request.
    fn answer(&self, head: Parts, body: Bytes) -> impl Future<Output = Reply> + Send;
}

/// Takes connections until dropped.
pub async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, answers: Arc<impl Answer>) {
    while let Ok((stream, _)) = listener.accept().await {
        answers.connected(Instant::now());
        tokio::spawn(connection(stream, tls.clone(), answers.clone()));
    }
}

async fn connection(stream: TcpStream, tls: Option<TlsAcceptor>, answers: Arc<impl Answer>) {
    // Without it small replies wait for the other side's acknowledgement; with an error there, the connection is gone.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    match tls {
        None => requests(stream, answers).await,
        Some(tls) => {
            if let Ok(stream) = tls.accept(stream).await {
                requests(stream, answers).await;
            }
        }
    }
}

async fn requests(stream: impl AsyncRead + AsyncWrite + Unpin + Send, answers: Arc<impl Answer>) {
    let service = service_fn(|request: Request<Incoming>| {
        let answers = answers.clone();
        async move {
            let (head, body) = request.into_parts();
            // A body that breaks off belongs to a connection that nobody reads the answer from.
            let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
            Ok::<_, Infallible>(answers.answer(head, body).await)
        }
    });
    // A process that ends closes its connections however it likes.
    http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await
        .ok();
}

/// A reply of JSON.
pub fn reply(status: u16, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    *reply.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
    reply
        .headers_mut()
        .insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    reply
}
