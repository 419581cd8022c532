//! Records which process ran which invocations when, so that a test can show that two invocations overlapped.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One process and its invocations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessSpan {
    /// The binary's name.
    pub function: String,
    pub pid: u32,
    /// Start and end of its last thousand finished invocations, in epoch milliseconds.
    pub invocations: Vec<(u64, u64)>,
}

const INVOCATIONS_MAX: usize = 1_000;
const PROCESSES_MAX: usize = 1_000;

/// The last thousand processes of one host, oldest first.
#[derive(Default)]
pub(crate) struct Ledger(Mutex<Vec<ProcessSpan>>);

impl Ledger {
    pub(super) fn started(&self, function: &str, pid: u32) {
        let mut spans = self.lock();
        if spans.len() == PROCESSES_MAX {
            spans.remove(0);
        }
        spans.push(ProcessSpan {
            function: function.to_owned(),
            pid,
            invocations: Vec::new(),
        });
    }

    pub(super) fn invoked(&self, pid: u32, started_ms: u64, ended_ms: u64) {
        let mut spans = self.lock();
        // Takes the latest process with this id, because the operating system reuses ids.
        if let Some(span) = spans.iter_mut().rev().find(|span| span.pid == pid) {
            if span.invocations.len() == INVOCATIONS_MAX {
                span.invocations.remove(0);
            }
            span.invocations.push((started_ms, ended_ms));
        }
    }

    pub(crate) fn spans(&self) -> Vec<ProcessSpan> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<ProcessSpan>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
