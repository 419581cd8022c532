//! Faults that a sandbox can inject. Other crates define where faults can occur; the code that starts the sandbox
//! chooses the faults.
//!
//! Times in faults are real time, not scaled time. To make webhooks arrive before `query-dispatch` knows the result of
//! a start, delay its answer: use `Failure::HangFor` on `StartNetworkQuery`.

use std::sync::Arc;

use sandbox_host::{InvocationPlan, Killer};
use sandbox_metriport::DeliveryPlan;

/// The plans that decide about faults. Without a plan, the check for faults costs nothing.
#[derive(Clone, Default)]
pub struct Faults {
    /// Kills processes of functions once the host has started. The plans' callbacks hold clones of it.
    pub killer: Killer,
    /// Decides about every call to AWS and every message sent to a queue.
    pub aws: Option<Arc<dyn sandbox_aws::Interceptor>>,
    /// Decides about every call to the stand-in.
    pub upstream: Option<Arc<dyn sandbox_metriport::Interceptor>>,
    /// Decides about every delivery of an event.
    pub webhooks: Option<DeliveryPlan>,
    /// Decides about every invocation of a function.
    pub invocations: Option<InvocationPlan>,
}
