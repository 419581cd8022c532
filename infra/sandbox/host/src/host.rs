//! The running host: starts the parts that `wiring` made and the HTTP listener, and shuts them down.

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

/// How long the shutdown waits for HTTP requests after it has ended the functions.
const DRAIN_LIMIT: Duration = Duration::from_secs(2);

/// Lambda, API Gateway, event sources and schedules of one stack. Dropping the host ends every process, but does not
/// wait for the processes.
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
    /// Starts the listener, the event sources and the schedules. With `prewarm`, it waits until one process of each
    /// function is ready or has failed. A failed function does not stop the host; [`Host::init_failures`] lists it.
    ///
    /// # Errors
    /// Fails if the issuer, the template, its bindings, a program or the port is unusable.
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
        // A stack without an HTTP API still has a listener, which answers 404.
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

    /// Runs one invocation. The function needs no trigger in the template.
    ///
    /// # Errors
    /// Fails in the cases of [`InvokeError`].
    pub async fn invoke(&self, binary: &str, payload: Value) -> Result<Value, InvokeError> {
        self.dispatcher.invoke_value(binary, &payload).await
    }

    /// Runs each schedule of a function once and returns the last reply. If an invocation by the schedule has not
    /// ended, the call waits for its end first.
    ///
    /// # Errors
    /// Fails in the cases of [`InvokeError`]; `UnknownFunction` also means that the function has no schedule.
    pub async fn invoke_schedule(&self, binary: &str) -> Result<Value, InvokeError> {
        let mut reply = Err(InvokeError::UnknownFunction {
            function: binary.to_owned(),
        });
        for ticker in self.tickers.iter().filter(|ticker| ticker.binary == binary) {
            reply = Ok(ticker.run_once().await?);
        }
        reply
    }

    /// The last thousand processes, oldest first, with their finished invocations.
    pub fn process_table(&self) -> Vec<ProcessSpan> {
        self.ledger.spans()
    }

    /// Functions whose last start failed.
    pub fn init_failures(&self) -> Vec<InitFailure> {
        self.dispatcher.init_failures()
    }

    /// Kills every process of a function, including those that are still starting, as if they had crashed. Returns
    /// `false` if the function does not exist. The next invocation starts a new process at once.
    ///
    /// Invocations in flight fail as in Lambda: API Gateway answers 500, and messages are redelivered after their
    /// visibility timeout. A kill does not count as a failure of the function.
    pub async fn kill(&self, binary: &str) -> bool {
        self.dispatcher.kill(binary).await
    }

    /// How often each function was invoked in one chain of messages, counted as Lambda's recursive loop detection
    /// counts.
    pub fn hops(&self) -> BTreeMap<String, Hops> {
        self.dispatcher.hops()
    }

    /// Counts of processes by function.
    pub fn process_counts(&self) -> BTreeMap<String, ProcessCounts> {
        self.dispatcher.process_counts()
    }

    /// How often [`HostOptions::interference`] interfered with invocations.
    pub fn interference_counts(&self) -> InterferenceCounts {
        self.dispatcher.interference_counts()
    }

    /// The number of invocations that run or wait for a process, and of batches that are being processed.
    pub fn in_flight(&self) -> usize {
        *self.dispatcher.in_flight().borrow()
    }

    /// Waits until nothing is in flight. Messages still in a queue do not count.
    pub async fn idle(&self) {
        // An error means that the counter was dropped, and with it everything in flight.
        self.dispatcher.in_flight().wait_for(|count| *count == 0).await.ok();
    }

    /// Stops the listener, the event sources and the schedules, and ends every process. Running invocations fail.
    pub async fn shutdown(mut self) {
        // Pollers and tickers stop first, so that they start no further invocation.
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
    // `axum::serve` retries failed accepts itself and never returns an error.
    axum::serve(listener, service)
        .with_graceful_shutdown(stopped)
        .await
        .ok();
}
