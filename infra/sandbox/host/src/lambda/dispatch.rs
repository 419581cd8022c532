//! The one place every invocation passes, whatever asked for it: the place to refuse, delay or break invocations.

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

/// Routes invocations to the processes of functions.
pub(crate) struct Dispatcher {
    pools: BTreeMap<String, Arc<Pool>>,
    in_flight: Arc<watch::Sender<usize>>,
}

/// Counts as running work for as long as it lives.
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

    /// Runs one invocation that begins a chain: a request from outside, a schedule, a test.
    pub(crate) async fn invoke(&self, binary: &str, payload: Bytes) -> Result<Bytes, InvokeError> {
        self.invoke_after(Lineage::default(), binary, payload).await
    }

    /// Runs one invocation to its end, even if the caller goes away meanwhile: a process must never be left with an
    /// invocation nobody accounts for.
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

    /// As `invoke`, with values instead of bytes.
    pub(crate) async fn invoke_value(&self, binary: &str, payload: &Value) -> Result<Value, InvokeError> {
        let reply = self.invoke(binary, Bytes::from(payload.to_string())).await?;
        match serde_json::from_slice(&reply) {
            Ok(reply) => Ok(reply),
            Err(_) => Err(InvokeError::MalformedResponse {
                function: binary.to_owned(),
            }),
        }
    }

    /// Announces work that will be invoked, such as a batch in hand.
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.send_modify(|count| *count += 1);
        InFlight(self.in_flight.clone())
    }

    /// How much work is running.
    pub(crate) fn in_flight(&self) -> watch::Receiver<usize> {
        self.in_flight.subscribe()
    }

    pub(crate) fn init_failures(&self) -> Vec<InitFailure> {
        self.pools.values().filter_map(|pool| pool.init_failure()).collect()
    }

    /// How long a function will not be started because it failed to.
    pub(crate) fn pause_left(&self, binary: &str) -> Option<Duration> {
        self.pools.get(binary)?.pause_left()
    }

    /// Starts one process of each function, all in parallel; failures are kept for `init_failures`.
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

    /// Kills the processes of one function; `false` if there is no such function.
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
        self.pools.values().for_each(|pool| pool.close());
        for pool in self.pools.values() {
            pool.end().await;
        }
    }

    /// How far chains of invocations went, by function.
    pub(crate) fn hops(&self) -> BTreeMap<String, Hops> {
        let hops = self.pools.iter().map(|(binary, pool)| (binary.clone(), pool.hops()));
        hops.collect()
    }

    /// Counts of processes by function.
    pub(crate) fn process_counts(&self) -> BTreeMap<String, ProcessCounts> {
        let counts = self.pools.iter().map(|(binary, pool)| (binary.clone(), pool.counts()));
        counts.collect()
    }

    /// Counts of what was done to invocations on purpose, over all functions.
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
