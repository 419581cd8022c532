//! Every invocation passes through the dispatcher, whatever its trigger.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::PAYLOAD_BYTES_MAX;
use super::error::{InitFailure, InvokeError};
use super::lineage::{Hops, Lineage};
use super::pool::Pool;
use crate::interference::{InterferenceCounts, ProcessCounts};

pub(crate) struct Dispatcher {
    pools: BTreeMap<String, Arc<Pool>>,
    in_flight: Arc<watch::Sender<usize>>,
}

/// Counts as work in flight until it is dropped.
pub(crate) struct InFlight(Arc<watch::Sender<usize>>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count = count.saturating_sub(1));
    }
}

impl Dispatcher {
    pub(crate) fn new(pools: BTreeMap<String, Arc<Pool>>) -> Self {
        Self {
            pools,
            in_flight: Arc::new(watch::Sender::new(0)),
        }
    }

    /// Runs one invocation that begins a chain: from an HTTP request, a schedule or a test.
    pub(crate) async fn invoke(&self, binary: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        self.invoke_after(Lineage::default(), binary, payload).await
    }

    /// Runs one invocation that continues the chain `lineage`. It runs in its own task, so that it ends even if the
    /// caller is dropped. Otherwise a process could hold an invocation for which no task waits.
    pub(crate) async fn invoke_after(
        &self,
        lineage: Lineage,
        binary: &str,
        payload: Bytes,
    ) -> Result<Bytes, InvokeError> {
        let function = || binary.to_owned();
        let pool = self
            .pools
            .get(binary)
            .ok_or_else(|| InvokeError::UnknownFunction { function: function() })?
            .clone();
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(InvokeError::RequestTooLarge { function: function() });
        }
        let running = self.begin();
        let task = tokio::spawn(async move {
            let result = pool.invoke(payload, lineage).await;
            drop(running);
            result
        });
        match task.await {
            Ok(result) => result,
            Err(_) => Err(InvokeError::ShuttingDown),
        }
    }

    /// Like `invoke`, with values instead of bytes.
    pub(crate) async fn invoke_value(&self, binary: &str, payload: &Value) -> Result<Value, InvokeError> {
        let reply = self.invoke(binary, Bytes::from(payload.to_string())).await?;
        match serde_json::from_slice(&reply) {
            Ok(reply) => Ok(reply),
            Err(_) => Err(InvokeError::MalformedResponse {
                function: binary.to_owned(),
            }),
        }
    }

    /// Counts work in flight that will lead to an invocation, such as a received batch.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.send_modify(|count| *count += 1);
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn in_flight(&self) -> watch::Receiver<usize> {
        self.in_flight.subscribe()
    }

    pub(crate) fn init_failures(&self) -> Vec<InitFailure> {
        self.pools.values().filter_map(|pool| pool.init_failure()).collect()
    }

    /// How long the function's next start must wait after a failed start.
    pub(crate) fn pause_left(&self, binary: &str) -> Option<Duration> {
        self.pools.get(binary)?.pause_left()
    }

    /// Starts one process of each function, all in parallel. `init_failures` lists the failures.
    pub(crate) async fn prewarm(&self) {
        let starts = self
            .pools
            .values()
            .cloned()
            .map(|pool| tokio::spawn(async move { pool.prewarm().await.err() }));
        for start in starts.collect::<Vec<_>>() {
            start.await.ok();
        }
    }

    pub(crate) async fn kill(&self, binary: &str) -> bool {
        match self.pools.get(binary) {
            Some(pool) => {
                pool.kill().await;
                true
            }
            None => false,
        }
    }

    /// Refuses new invocations and ends every process.
    pub(crate) async fn shut_down(&self) {
        // Every pool is closed before the first is ended, so that a waiting invocation cannot start a process.
        self.pools.values().for_each(|pool| pool.close());
        for pool in self.pools.values() {
            pool.end().await;
        }
    }

    pub(crate) fn hops(&self) -> BTreeMap<String, Hops> {
        let hops = self.pools.iter().map(|(binary, pool)| (binary.clone(), pool.hops()));
        hops.collect()
    }

    pub(crate) fn process_counts(&self) -> BTreeMap<String, ProcessCounts> {
        let counts = self.pools.iter().map(|(binary, pool)| (binary.clone(), pool.counts()));
        counts.collect()
    }

    /// Counts of deliberate faults of invocations, across all functions.
    pub(crate) fn interference_counts(&self) -> InterferenceCounts {
        let mut counts = InterferenceCounts::new();
        for (before, after) in self.pools.values().map(|pool| pool.interferences()) {
            for (kind, count) in [("killed_before", before), ("killed_after", after)] {
                if count > 0 {
                    *counts.entry(kind).or_default() += count;
                }
            }
        }
        counts
    }
}
