//! Structured logs, one JSON object per line. Fields hold codes, counts, and ids of pulls and records, but nothing
//! about a person.

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{fmt, registry};

use crate::config::Env;

/// Starts logging to standard output at the level of `LOG_LEVEL` (default `info`), for our own code and `module`. A
/// panic is logged with its place in the source, but without its message, which may quote data.
pub fn init(env: &Env, module: &str) {
    let level = env.optional("LOG_LEVEL").and_then(|level| level.parse().ok());
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_ansi(false)
        .with_current_span(false);
    let logging = registry().with(targets(level.unwrap_or(LevelFilter::INFO), module));
    // A second call in the same process keeps the first logger.
    if logging.with(lines).try_init().is_err() {
        tracing::debug!("logging was already set up");
    }
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
}

/// Only our own code may log at finer levels, because libraries log URLs and headers at those levels. The filter
/// matches only targets: a filter for fields and spans would set up a regular expression engine whenever a function
/// starts.
fn targets(level: LevelFilter, module: &str) -> Targets {
    Targets::new()
        .with_default(LevelFilter::WARN)
        .with_target("shared", level)
        .with_target(module.to_owned(), level)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn only_our_own_code_logs_at_finer_levels() {
        let targets = targets(LevelFilter::TRACE, "webhook_intake");
        for (target, level, logged) in [
            ("webhook_intake::keys", Level::TRACE, true),
            ("shared::store", Level::TRACE, true),
            ("hyper", Level::WARN, true),
            ("hyper", Level::INFO, false),
            ("aws_smithy_runtime", Level::DEBUG, false),
        ] {
            assert_eq!(targets.would_enable(target, &level), logged, "{target} {level}");
        }
    }
}
