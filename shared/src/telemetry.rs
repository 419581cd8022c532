//! Structured logs: one JSON object a line. Fields are codes, counts and ids of runs and records; nothing about a
//! person.

use tracing_subscriber::EnvFilter;

use crate::config::Env;

/// Starts logging to standard output at the level of `LOG_LEVEL` (default `info`), for our own code and `module`, and
/// makes panics say where, not what: a panic's message may quote the data it choked on.
pub fn init(env: &Env, module: &str) {
    let level = env.optional("LOG_LEVEL").unwrap_or("info");
    // Libraries log URLs and headers at their finer levels; only our own code may be turned up.
    let filter = EnvFilter::new(format!("warn,shared={level},{module}={level}"));
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_ansi(false)
        .with_current_span(false);
    // A second call in one process keeps the first logger: nothing is lost by that.
    if subscriber.with_env_filter(filter).try_init().is_err() {
        tracing::debug!("logging was already set up");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}
