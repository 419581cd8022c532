//! The running host: starts what `wiring` made and the HTTP listener, answers for it, and takes everything down again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::cloudwatch;
use crate::gateway::{self, Gateway, RouteTable};
use crate::interference::{InterferenceCounts, ProcessCounts};
use crate::lambda::{Dispatcher, Hops, Identity, InitFailure, InvokeError, Ledger, ProcessSpan};
use crate::options::HostOptions;
use crate::schedule::Ticker;
use crate::wiring::{StartError, check_issuer, pollers, pools, tickers};

/// How long requests may take to end once their functions are gone.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Lambda, API Gateway, event sources and schedules of one stack. Dropping it ends every process as well, only
/// without waiting for it.
pub struct Host {
    base_url: String,
    dispatcher: Arc<Dispatcher>,
    ledger: Arc<Ledger>,
    tickers: Vec<Arc<Ticker>>,
    background: JoinSet<()>,
    server: Option<JoinHandle<()>>,
    shutdown: watch::Sender<bool>,
}

impl Host {
    /// Starts everything; with `prewarm`, after one process of each function is ready. Functions that fail to start
    /// do not fail the host: see [`Host::init_failures`].
    ///
    /// # Errors
    /// If the template, its bindings, the programs or the port do not allow it.
    pub async fn start(mut options: HostOptions) -> Result<Self, StartError> {
        check_issuer(&options)?;
        if let Some(metrics) = options.metrics.take() {
            options.log = cloudwatch::reading(options.log, metrics);
        }
        let (shutdown, stopping) = watch::channel(false);
        let ledger = Arc::new(Ledger::default());
        let identity = Identity {
            region: options.bindings.region.clone(),
            account_id: options.bindings.account_id.clone(),
        };
        let pools = pools(&options, &identity, &ledger, &stopping)?;
        let dispatcher = Arc::new(Dispatcher::new(pools));
        options.killer.bind(&dispatcher);
        let pollers = pollers(&options, &dispatcher)?;
        let tickers = tickers(&options, &identity, &dispatcher);
        let routes = RouteTable::new(&options.stack.functions)?;
        let listener = TcpListener::bind(("127.0.0.1", options.port))
            .await
            .map_err(StartError::Listener)?;
        let base_url = format!("http://{}", listener.local_addr().map_err(StartError::Listener)?);
        if options.prewarm {
            dispatcher.prewarm().await;
        }
        // A stack without an HTTP API still has a listener, which knows no route.
        let gateway = Gateway {
            api: options.stack.api.clone().unwrap_or_default(),
            routes,
            issuer: options.issuer.clone(),
            identity,
            dispatcher: dispatcher.clone(),
            base_url: base_url.clone(),
            throttled: options.throttled,
        };
        let server = Some(tokio::spawn(serve(listener, gateway, stopping)));
        let mut background = JoinSet::new();
        pollers
            .into_iter()
            .for_each(|poller| drop(background.spawn(poller.run())));
        if options.schedule_scale > 0 {
            for ticker in &tickers {
                background.spawn(ticker.clone().run(options.schedule_scale));
            }
        }
        Ok(Self {
            base_url,
            dispatcher,
            ledger,
            tickers,
            background,
            server,
            shutdown,
        })
    }

    /// `http://127.0.0.1:<port>`, without a trailing slash.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// Runs one invocation, whatever the function's own triggers are.
    ///
    /// # Errors
    /// As [`InvokeError`] says.
    pub async fn invoke(&self, binary: &str, payload: Value) -> Result<Value, InvokeError> {
        self.dispatcher.invoke_value(binary, &payload).await
    }

    /// Runs a function's schedules once, now, and gives the last reply. A run that lasts is waited for.
    ///
    /// # Errors
    /// As [`InvokeError`] says; `UnknownFunction` also if the function has no schedule.
    pub async fn invoke_schedule(&self, binary: &str) -> Result<Value, InvokeError> {
        let mut reply = Err(InvokeError::UnknownFunction {
            function: binary.to_owned(),
        });
        for ticker in self.tickers.iter().filter(|ticker| ticker.binary == binary) {
            reply = Ok(ticker.run_once().await?);
        }
        reply
    }

    /// All processes since the start, oldest first, with their finished invocations.
    pub fn process_table(&self) -> Vec<ProcessSpan> {
        self.ledger.spans()
    }

    /// Functions whose last start failed.
    pub fn init_failures(&self) -> Vec<InitFailure> {
        self.dispatcher.init_failures()
    }

    /// Kills every process of a function, as if they had crashed, those that still start among them; `false` if there
    /// is no such function. The next invocation starts another at once.
    pub async fn kill(&self, binary: &str) -> bool {
        self.dispatcher.kill(binary).await
    }

    /// How often each function was invoked in one chain of messages, as Lambda's recursive loop detection counts.
    pub fn hops(&self) -> BTreeMap<String, Hops> {
        self.dispatcher.hops()
    }

    /// Counts of processes by function.
    pub fn process_counts(&self) -> BTreeMap<String, ProcessCounts> {
        self.dispatcher.process_counts()
    }

    /// How often invocations were interfered with, by [`HostOptions::interference`].
    pub fn interference_counts(&self) -> InterferenceCounts {
        self.dispatcher.interference_counts()
    }

    /// Running invocations, counting those that wait for a process, and batches in hand.
    pub fn in_flight(&self) -> usize {
        *self.dispatcher.in_flight().borrow()
    }

    /// Waits until nothing is in flight. Messages still in a queue do not count.
    pub async fn idle(&self) {
        // An error means that the counter is gone, and with it everything in flight.
        self.dispatcher.in_flight().wait_for(|count| *count == 0).await.ok();
    }

    /// Stops listening, polling and ticking, and ends every process; invocations they hold fail.
    pub async fn shutdown(mut self) {
        self.background.shutdown().await;
        self.shutdown.send_replace(true);
        self.dispatcher.shut_down().await;
        if let Some(mut server) = self.server.take()
            && tokio::time::timeout(DRAIN_LIMIT, &mut server).await.is_err()
        {
            server.abort();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shutdown.send_replace(true);
    }
}

async fn serve(listener: TcpListener, gateway: Gateway, mut stopping: watch::Receiver<bool>) {
    let service = gateway::router(gateway).into_make_service_with_connect_info::<SocketAddr>();
    let stopped = async move {
        stopping.wait_for(|stopping| *stopping).await.ok();
    };
    // `axum::serve` retries what can fail by itself and gives no error.
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
        .ok();
}
