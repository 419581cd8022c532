//! Makes the parts of a host from its options: one pool per function, one poller per event source, one ticker per
//! schedule.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};

use crate::gateway::RouteError;
use crate::lambda::{Dispatcher, FunctionSpec, Identity, Ledger, Pool, function_environment};
use crate::options::HostOptions;
use crate::queue_source::{self, QueuePoller};
use crate::schedule::Ticker;
use crate::template::{Function, QueueSource, TemplateError};

/// Why a host cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the HTTP listener: {0}")]
    Listener(#[source] io::Error),
    #[error("the program of {binary}: {source}")]
    Program { binary: String, source: io::Error },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Route(#[from] RouteError),
    #[error("the bindings do not resolve `{attribute}` of the queue {queue}")]
    UnknownQueue { queue: String, attribute: &'static str },
    /// The authorizer would refuse every token of the host's issuer.
    #[error("the authorizer {authorizer} expects the issuer {expected}, but the host's is {actual}")]
    IssuerMismatch {
        authorizer: String,
        expected: String,
        actual: String,
    },
}

pub(crate) fn check_issuer(options: &HostOptions) -> Result<(), StartError> {
    let authorizers = options.stack.api.iter().flat_map(|api| &api.authorizers);
    match authorizers
        .into_iter()
        .find(|authorizer| authorizer.issuer != options.issuer.url())
    {
        None => Ok(()),
        Some(authorizer) => Err(StartError::IssuerMismatch {
            authorizer: authorizer.name.clone(),
            expected: authorizer.issuer.clone(),
            actual: options.issuer.url().to_owned(),
        }),
    }
}

pub(crate) fn pools(
    options: &HostOptions,
    identity: &Identity,
    ledger: &Arc<Ledger>,
    stopping: &watch::Receiver<bool>,
) -> Result<BTreeMap<String, Arc<Pool>>, StartError> {
    let mut pools = BTreeMap::new();
    for function in &options.stack.functions {
        let spec = spec(function, options, identity)?;
        let pool = Pool::new(
            spec,
            options.processes_max,
            options.log.clone(),
            ledger.clone(),
            stopping.clone(),
            options.interference.clone(),
        );
        pools.insert(function.binary.clone(), Arc::new(pool));
    }
    Ok(pools)
}

fn spec(function: &Function, options: &HostOptions, identity: &Identity) -> Result<FunctionSpec, StartError> {
    let binary = function.binary.as_str();
    let line = options.runner.program_line(binary);
    Ok(FunctionSpec {
        binary: binary.into(),
        arn: identity.function_arn(binary),
        timeout: Duration::from_secs(function.timeout_secs),
        loop_allowed: function.loop_allowed,
        environment: function_environment(function, options)?,
        line: line.map_err(|source| StartError::Program {
            binary: binary.to_owned(),
            source,
        })?,
    })
}

pub(crate) fn pollers(options: &HostOptions, dispatcher: &Arc<Dispatcher>) -> Result<Vec<QueuePoller>, StartError> {
    let secret = options.aws_env.iter().find(|(name, _)| name == "AWS_SECRET_ACCESS_KEY");
    let secret = secret.map_or("sandbox", |(_, secret)| secret.as_str());
    let mut pollers = Vec::new();
    for function in &options.stack.functions {
        let client = || {
            queue_source::client(
                &function.binary,
                &options.sqs_endpoint,
                &options.bindings.region,
                secret,
            )
        };
        for source in &function.queue_sources {
            pollers.push(QueuePoller {
                binary: function.binary.clone(),
                source: source.clone(),
                queue_url: resolve_queue(options, &source.queue, "Ref")?,
                queue_arn: resolve_queue(options, &source.queue, "Arn")?,
                region: options.bindings.region.clone(),
                client: client(),
                dispatcher: dispatcher.clone(),
                concurrency: Arc::new(Semaphore::new(concurrency(source, options.processes_max))),
                log: options.log.clone(),
            });
        }
    }
    Ok(pollers)
}

fn resolve_queue(options: &HostOptions, queue: &str, attribute: &'static str) -> Result<String, StartError> {
    let resolved = options.bindings.resolve(queue, attribute);
    resolved.ok_or_else(|| StartError::UnknownQueue {
        queue: queue.to_owned(),
        attribute,
    })
}

/// Maximum number of a source's batches at once. A batch without a free process would wait while its messages are
/// hidden.
fn concurrency(source: &QueueSource, processes_max: usize) -> usize {
    let allowed = source.concurrency_max.and_then(|max| usize::try_from(max).ok());
    allowed.map_or(processes_max, |max| max.min(processes_max)).max(1)
}

pub(crate) fn tickers(options: &HostOptions, identity: &Identity, dispatcher: &Arc<Dispatcher>) -> Vec<Arc<Ticker>> {
    let schedules = options.stack.functions.iter().flat_map(|function| {
        function
            .schedules
            .iter()
            .map(move |schedule| (function.binary.clone(), schedule.clone()))
    });
    let ticker = |(binary, schedule)| Ticker::new(binary, schedule, identity.clone(), dispatcher.clone());
    schedules.map(|schedule| Arc::new(ticker(schedule))).collect()
}
