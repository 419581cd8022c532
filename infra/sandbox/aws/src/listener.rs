//! One loopback listener per service, behind the gate. Each listener stops within a limited time.

use crate::error::Error;
use crate::gate::{self, Gate};
use crate::serve::serve;
use axum::Router;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The longest time that a request in progress may delay the stop.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// A port that is bound but not served yet. SQS needs the address to build queue URLs before it serves requests.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    pub(crate) async fn bind() -> Result<Bound, Error> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(Error::Listen)?;
        let address = listener.local_addr().map_err(Error::Listen)?;
        Ok(Bound { listener, address })
    }

    /// For example `http://127.0.0.1:40123`, without a trailing slash.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn into_listener(self) -> TcpListener {
        self.listener
    }

    pub(crate) fn serve(self, router: Router, gate: Gate, stop: watch::Receiver<bool>) -> Serving {
        let router = router.layer(axum::middleware::from_fn_with_state(gate, gate::pass));
        let task = tokio::spawn(serve(self.listener, router, stop));
        Serving::new(task)
    }
}

/// A task that ends soon after the stop signal.
pub(crate) struct Serving {
    task: JoinHandle<()>,
}

impl Serving {
    pub(crate) fn new(task: JoinHandle<()>) -> Serving {
        Serving { task }
    }

    /// Waits for the task to end, and aborts it after [`DRAIN_LIMIT`]. A stopped service's task ends once it has
    /// answered the requests in progress.
    pub(crate) async fn drained(mut self) {
        if tokio::time::timeout(DRAIN_LIMIT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Resolves once `stop` is true, or its sender is dropped.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    if stop.wait_for(|stopping| *stopping).await.is_err() {
        tracing::debug!("the embedded AWS was dropped without a shutdown");
    }
}
