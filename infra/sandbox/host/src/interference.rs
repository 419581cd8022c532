//! Faults on purpose: what may be done to an invocation, and a handle to kill with that can be given away before
//! there is a host.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::lambda::Dispatcher;

/// One invocation that is about to be handed to a process.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Invocation {
    /// The binary's name.
    pub function: String,
    /// Its number among the invocations of this function since the start, from 1.
    pub ordinal: u64,
}

/// What is done to an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interference {
    /// Nothing.
    Go,
    /// Its process is killed before it sees the invocation, which fails without any effect.
    KillBefore,
    /// Its process is killed when it has replied, and the reply is not accepted: the work is done and the invocation
    /// has failed, so that messages of a queue come again.
    KillAfter,
}

/// Decides about invocations, each once.
pub type InvocationPlan = Arc<dyn Fn(&Invocation) -> Interference + Send + Sync>;

/// How many processes of a function there are, and were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProcessCounts {
    /// Alive now, those that still start among them.
    pub running: usize,
    /// Started since the host was.
    pub spawned: u64,
    /// Killed by [`Host::kill`](crate::Host::kill), a [`Killer`] or an [`Interference`]; not by a deadline, nor by the
    /// shutdown.
    pub killed: u64,
}

/// How often each kind of interference was made: `killed_before`, `killed_after`; those that never were are absent.
pub type InterferenceCounts = BTreeMap<&'static str, u64>;

/// Kills processes of a host that may not have started yet: made first, given to whoever decides, and to the host
/// with its options. It does not keep the host alive.
#[derive(Clone, Default)]
pub struct Killer(Arc<OnceLock<Weak<Dispatcher>>>);

impl Killer {
    /// Kills every process of a function, as [`Host::kill`](crate::Host::kill) does; `false` if there is no such
    /// function, or no host (yet, or any more).
    pub async fn kill(&self, binary: &str) -> bool {
        match self.0.get().and_then(Weak::upgrade) {
            Some(dispatcher) => dispatcher.kill(binary).await,
            None => false,
        }
    }

    /// Ties it to a host; one that is tied already stays so.
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
