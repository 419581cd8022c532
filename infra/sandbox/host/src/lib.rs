//! Lambda and API Gateway on one machine: reads the SAM template ([`template`]), runs each function in operating
//! system processes of its own over the real Lambda Runtime API, and feeds them from an HTTP listener, from queues
//! and from schedules ([`Host`]).
//!
//! It knows AWS's documented behaviour at these seams, and nothing of what the functions do. It is made for loopback:
//! its token issuer signs with a key that is public.

mod clock;
pub mod cloudwatch;
mod gateway;
mod host;
mod interference;
mod jwt;
mod lambda;
mod options;
mod queue_source;
mod schedule;
pub mod template;
mod wiring;

pub use gateway::RouteError;
pub use host::Host;
pub use interference::{Interference, InterferenceCounts, Invocation, InvocationPlan, Killer, ProcessCounts};
pub use jwt::{Issuer, IssuerError, IssuerServer, IssuerServerError};
pub use lambda::{Hops, InitFailure, InvokeError, LogLine, LogSink, ProcessSpan, Runner};
pub use lambda::{access_key_id, event_source_key_id, is_event_source, role_of};
pub use options::HostOptions;
pub use wiring::StartError;
