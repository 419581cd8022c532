//! Numbers the calls, asks the interceptor, and carries out and counts its decisions.

use crate::gate::Call;
use crate::interceptor::{Ending, FaultCounter, MessageInfo, Passage, SharedInterceptor, Verdict};
use crate::refused;
use crate::serve::Dropped;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// An interceptor and its counters. All services share it.
#[derive(Clone)]
pub(crate) struct Interception {
    interceptor: SharedInterceptor,
    calls: Numbers<Option<String>>,
    messages: Numbers<String>,
    counter: FaultCounter,
}

impl Interception {
    pub(crate) fn new(interceptor: SharedInterceptor, counter: FaultCounter) -> Interception {
        Interception {
            interceptor,
            calls: Numbers::default(),
            messages: Numbers::default(),
            counter,
        }
    }

    pub(crate) fn number(&self, access_key_id: Option<&String>) -> u64 {
        self.calls.next(access_key_id.cloned())
    }

    pub(crate) async fn around(&self, call: Call, request: Request, next: Next) -> Response {
        let call = Arc::new(call);
        let refused = match self.before(call.clone()).await {
            Verdict::Forward => {
                let response = next.run(request).await;
                return match self.after(call.clone(), response.status().as_u16()).await {
                    Ending::Return => response,
                    Ending::Fail(failure) => refused::failed(&call, failure),
                    Ending::Drop => Dropped::response(),
                };
            }
            Verdict::Throttle => refused::throttled(&call),
            Verdict::Fail(failure) => refused::failed(&call, failure),
            Verdict::Drop => return Dropped::response(),
        };
        refused::read_to_end(request.into_body(), call.service).await;
        refused
    }

    /// Runs in its own task, because the interceptor may kill the caller. The caller's death closes the connection and
    /// drops this future.
    async fn before(&self, call: Arc<Call>) -> Verdict {
        let (interceptor, counter) = (self.interceptor.clone(), self.counter.clone());
        let task = tokio::spawn(async move {
            let verdict = interceptor.before(&call).await;
            match verdict {
                Verdict::Forward => {}
                Verdict::Throttle => counter.count("throttled"),
                Verdict::Fail(_) => counter.count("failed_before"),
                Verdict::Drop => counter.count("dropped_before"),
            }
            verdict
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the interceptor failed before a call");
            Verdict::Drop
        })
    }

    /// Runs in its own task, for the same reason as `before`.
    async fn after(&self, call: Arc<Call>, status: u16) -> Ending {
        let (interceptor, counter) = (self.interceptor.clone(), self.counter.clone());
        let task = tokio::spawn(async move {
            let ending = interceptor.after(&call, status).await;
            match ending {
                Ending::Return => {}
                Ending::Fail(_) => counter.count("failed_after"),
                Ending::Drop => counter.count("dropped_after"),
            }
            ending
        });
        task.await.unwrap_or_else(|error| {
            tracing::error!(%error, "the interceptor failed after a call");
            Ending::Drop
        })
    }

    pub(crate) fn passage(&self, queue: &str, message_id: String, sender: &str, delay_secs: Option<u32>) -> Passage {
        let passage = self.interceptor.message(&MessageInfo {
            queue: queue.to_owned(),
            ordinal: self.messages.next(queue.to_owned()),
            message_id,
            sender: sender.to_owned(),
            delay_secs,
        });
        if passage.late_ms > 0 {
            self.counter.count("message_late");
        }
        if passage.again_after_ms.is_some() {
            self.counter.count("message_doubled");
        }
        passage
    }
}

/// One counter per key, from 1.
#[derive(Clone)]
struct Numbers<K>(Arc<Mutex<HashMap<K, u64>>>);

impl<K> Default for Numbers<K> {
    fn default() -> Self {
        Numbers(Arc::default())
    }
}

impl<K: Eq + Hash> Numbers<K> {
    fn next(&self, key: K) -> u64 {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = numbers.entry(key).or_default();
        *number += 1;
        *number
    }
}
