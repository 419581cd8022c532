//! Deliberate faults: the possible faults of an invocation, and a handle that kills processes. The handle can be shared
//! before the host exists.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::lambda::Dispatcher;

/// One invocation, before a process gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invocation {
    /// The binary's name.
    pub function: String,
    /// The invocation's number, from 1, among the invocations of this function since the host started.
    pub ordinal: u64,
}

/// The fault of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interference {
    /// No fault.
    Go,
    /// The host kills the process before the process gets the invocation. The invocation fails without any effect.
    KillBefore,
    /// After the process has replied, the host kills the process and rejects the reply. The work is done but the
    /// invocation has failed, so a queue redelivers its messages.
    KillAfter,
}

/// Decides about each invocation once.
pub type InvocationPlan = Arc<dyn Fn(&Invocation) -> Interference + Send + Sync>;

/// Counts of a function's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessCounts {
    /// Processes that are alive now, including those that are still starting.
    pub running: usize,
    /// Processes that the host has started.
    pub spawned: u64,
    /// Processes killed by [`Host::kill`](crate::Host::kill), a [`Killer`] or an [`Interference`]. Processes killed by
    /// a deadline or by the shutdown do not count.
    pub killed: u64,
}

/// How often each kind of interference occurred: `killed_before`, `killed_after`. Kinds that never occurred are absent.
pub type InterferenceCounts = BTreeMap<&'static str, u64>;

/// Kills processes of a host that may not have started yet. The caller makes the `Killer` first, and passes clones to
/// the code that decides about kills and to the host's options. A `Killer` does not keep the host alive.
#[derive(Clone, Default)]
pub struct Killer(Arc<OnceLock<Weak<Dispatcher>>>);

impl Killer {
    /// Kills every process of a function, as [`Host::kill`](crate::Host::kill) does. Returns `false` if the function
    /// does not exist, or the host has not started or has ended.
    pub async fn kill(&self, binary: &str) -> bool {
        match self.0.get().and_then(Weak::upgrade) {
            Some(dispatcher) => dispatcher.kill(binary).await,
            None => false,
        }
    }

    pub(crate) fn bind(&self, dispatcher: &Arc<Dispatcher>) {
        self.0.get_or_init(|| Arc::downgrade(dispatcher));
    }
}

impl fmt::Debug for Killer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = self.0.get().is_some();
        f.debug_struct("Killer").field("bound", &bound).finish()
    }
}
