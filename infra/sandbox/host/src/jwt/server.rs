//! The issuer over HTTP, for a deployment outside this sandbox: discovery document, key set, and tokens for every
//! caller. It listens only on loopback, because its key is public.

use std::net::Ipv4Addr;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Issuer, IssuerError, tokens};

/// A running issuer. Dropping it stops the server.
pub struct IssuerServer {
    issuer: Issuer,
    task: JoinHandle<()>,
}

/// Why an issuer cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum IssuerServerError {
    /// The port could not be bound.
    #[error("cannot listen on 127.0.0.1:{port}: {source}")]
    Listen {
        /// The requested port; 0 means any.
        port: u16,
        /// The system's error.
        source: std::io::Error,
    },
    /// The embedded key is damaged.
    #[error(transparent)]
    Issuer(#[from] IssuerError),
}

impl IssuerServer {
    /// Serves an issuer on 127.0.0.1; port 0 takes a free port. The issuer's URL is the server's address.
    ///
    /// # Errors
    /// Fails if the port cannot be bound, or the embedded key is damaged.
    pub async fn start(port: u16, audience: &str) -> Result<Self, IssuerServerError> {
        let failed = |source| IssuerServerError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.map_err(failed)?;
        let url = format!("http://{}", listener.local_addr().map_err(failed)?);
        let issuer = Issuer::new(url, audience)?;
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/.well-known/jwks.json", get(key_set))
            .route("/token", get(token).post(token))
            .with_state(issuer.clone());
        let task = tokio::spawn(async move {
            // `axum::serve` never returns an error; the server ends with the task.
            axum::serve(listener, router).await.ok();
        });
        Ok(Self { issuer, task })
    }

    /// The served issuer.
    #[must_use]
    pub const fn issuer(&self) -> &Issuer {
        &self.issuer
    }
}

impl Drop for IssuerServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn discovery(State(issuer): State<Issuer>) -> Json<Value> {
    Json(issuer.discovery(issuer.url()))
}

async fn key_set(State(issuer): State<Issuer>) -> Json<Value> {
    Json(issuer.jwks())
}

async fn token(State(issuer): State<Issuer>, RawQuery(query): RawQuery) -> Response {
    tokens::answer(&issuer, query.as_deref())
}
