//! What may be made to go wrong in a sandbox. The points are the crates'; whoever starts the sandbox decides.

use std::sync::Arc;

use sandbox_host::{InvocationPlan, Killer};
use sandbox_metriport::DeliveryPlan;

/// Who is asked about faults. Nobody by default, and then nothing is spent on it.
#[derive(Clone, Default)]
pub struct Faults {
    /// Tied to the host when it starts; callbacks hold clones of it to kill processes with.
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
