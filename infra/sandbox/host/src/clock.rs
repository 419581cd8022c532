//! The only module of this crate that reads the clock and makes random ids.

use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox is an edge: its host reads the clock here"
)]
pub(crate) fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox is an edge: its host makes ids here"
)]
pub(crate) fn new_id() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}
