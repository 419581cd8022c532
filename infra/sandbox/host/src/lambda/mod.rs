//! Lambda: functions in operating system processes that speak the Runtime API, a few warm processes per function, with
//! deadlines. This module does not know where invocations come from.

mod dispatch;
mod environment;
mod error;
mod ledger;
mod lineage;
mod log;
mod pool;
mod process;
mod runner;
mod runtime_api;
mod tally;

pub(crate) use dispatch::Dispatcher;
pub(crate) use environment::{Identity, function_environment};
pub use environment::{access_key_id, event_source_key_id, is_event_source, role_of};
pub use error::{InitFailure, InvokeError};
pub(crate) use ledger::Ledger;
pub use ledger::ProcessSpan;
pub use lineage::Hops;
pub(crate) use lineage::Lineage;
pub use log::{LogLine, LogSink};
pub(crate) use pool::{FunctionSpec, Pool};
pub use runner::Runner;

/// The largest event or reply, in bytes (docs.aws.amazon.com, "Lambda quotas", synchronous invocation payload).
pub(crate) const PAYLOAD_BYTES_MAX: usize = 6 * 1024 * 1024;
