//! Lambda and API Gateway on one machine. The crate reads the SAM template ([`template`]) and runs each function in its
//! own operating system processes, over the real Lambda Runtime API. An HTTP listener, queues and schedules feed the
//! functions ([`Host`]).
//!
//! The crate knows AWS's documented behaviour at these interfaces, and nothing about the functions. It may listen only
//! on loopback, because the private key of its token issuer is public.

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
