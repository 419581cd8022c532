//! Faults that a sandbox can inject. Other crates define where; the starter of the sandbox decides which.
//!
//! Times given to faults are real, not scaled. To let a webhook overtake our own write, hold an answer back: use
//! `Failure::HangFor` on `StartNetworkQuery` while webhooks go out.

use std::sync::Arc;

use sandbox_host::{InvocationPlan, Killer};
use sandbox_metriport::DeliveryPlan;

/// The plans that decide about faults. Without a plan, the check for faults costs nothing.
#[derive(Clone, Default)]
pub struct Faults {
    /// Attached to the host when it starts; callbacks hold clones of it to kill processes.
    pub killer: Killer,
    /// Asked about every call to AWS and every message sent to a queue.
    pub aws: Option<Arc<dyn sandbox_aws::Interceptor>>,
    /// Asked about every call to the stand-in.
    pub upstream: Option<Arc<dyn sandbox_metriport::Interceptor>>,
    /// Asked about every delivery of an event.
    pub webhooks: Option<DeliveryPlan>,
    /// Asked about every invocation of a function.
    pub invocations: Option<InvocationPlan>,
}
