//! Records each call with its status, and counts the calls. It stores routes as templates, and therefore neither ids
//! nor names.

use std::collections::BTreeMap;

use crate::operation::Operation;

/// Maximum number of calls in the list; further calls are only counted.
const CALLS_MAX: usize = 200_000;

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// HTTP method.
    pub method: String,
    /// Route template; `*` for a route that does not exist.
    pub route: &'static str,
    /// The caller's `User-Agent`; empty if it sent none.
    pub user_agent: String,
    /// HTTP status; `None` if the call is not yet answered, or if its connection was dropped.
    pub status: Option<u16>,
}

/// Counts of one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OperationStats {
    /// Calls that arrived.
    pub calls: u64,
    /// Calls refused with 429 by a limit, by the quota, or by a fault.
    pub too_many_requests: u64,
    /// Calls that a per-minute limit refused; they are also in `too_many_requests`.
    pub limited: u64,
}

/// Counts per operation. Operations that were never called are absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// The counts.
    pub operations: BTreeMap<Operation, OperationStats>,
}

impl Stats {
    /// Calls of one operation.
    #[must_use]
    pub fn calls(&self, operation: Operation) -> u64 {
        self.operations.get(&operation).map_or(0, |counts| counts.calls)
    }

    /// Calls of all operations that a per-minute limit refused. Refusals by a fault or by the quota are not counted.
    #[must_use]
    pub fn limited(&self) -> u64 {
        self.operations.values().map(|counts| counts.limited).sum()
    }

    /// Calls of all operations that were refused with 429.
    #[must_use]
    pub fn too_many_requests(&self) -> u64 {
        self.operations.values().map(|counts| counts.too_many_requests).sum()
    }
}

#[derive(Default)]
pub(crate) struct CallLog {
    calls: Vec<Call>,
    stats: Stats,
}

impl CallLog {
    /// Records a call that arrives. [`Self::end`] needs the returned number.
    pub(crate) fn begin(&mut self, operation: Option<Operation>, call: Call) -> usize {
        if let Some(operation) = operation {
            self.stats.operations.entry(operation).or_default().calls += 1;
        }
        let number = self.calls.len();
        if number < CALLS_MAX {
            self.calls.push(call);
            return number;
        }
        CALLS_MAX
    }

    pub(crate) fn end(&mut self, number: usize, operation: Option<Operation>, status: Option<u16>) {
        if let Some(call) = self.calls.get_mut(number) {
            call.status = status;
        }
        if let (Some(429), Some(operation)) = (status, operation) {
            self.stats.operations.entry(operation).or_default().too_many_requests += 1;
        }
    }

    pub(crate) fn limit(&mut self, operation: Operation) {
        self.stats.operations.entry(operation).or_default().limited += 1;
    }

    pub(crate) fn list(&self) -> Vec<Call> {
        self.calls.clone()
    }

    pub(crate) fn stats(&self) -> Stats {
        self.stats.clone()
    }
}
