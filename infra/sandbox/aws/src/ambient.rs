//! The only module of this crate that reads the clock and draws randomness. All other code takes both as arguments.

use ring::rand::SystemRandom;
use std::time::{SystemTime, UNIX_EPOCH};
use uuid::Uuid;

pub(crate) struct Ambient {
    /// Milliseconds since the Unix epoch.
    pub(crate) now_ms: u64,
    pub(crate) id: Uuid,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the emulators are an edge: real AWS also has its own clock and ids"
)]
pub(crate) fn read() -> Ambient {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ambient {
        now_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        id: Uuid::new_v4(),
    }
}

/// Milliseconds since the Unix epoch.
pub(crate) fn now_ms() -> u64 {
    read().now_ms
}

pub(crate) fn new_id() -> Uuid {
    read().id
}

/// Randomness for keys and signatures.
pub(crate) fn random() -> SystemRandom {
    SystemRandom::new()
}
