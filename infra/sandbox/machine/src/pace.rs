//! How fast time runs for the functions: fast, so that nobody waits, and no faster than this machine follows.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

/// What is computed to see how much of a processor a thread gets here: some twenty milliseconds of work.
static SAMPLE: [u8; 1 << 20] = [0; 1 << 20];
const ROUNDS: usize = 8;
/// The slowest pace that a scale was chosen for: what runs at that scale stays as slow when the machine gets faster.
static SLOWEST: Mutex<f64> = Mutex::new(1.0);

/// The scale at which time runs: `fastest` where a thread gets half a processor or more, and less in proportion. What
/// the scale shortens, a session's life among it, is then as many steps of the functions long on every machine.
pub fn followed(fastest: u32) -> u32 {
    if fastest <= 1 {
        return fastest;
    }
    let pace = pace();
    remember(pace);
    let scale = f64::from(fastest) * pace;
    (1..=fastest)
        .rev()
        .find(|whole| f64::from(*whole) <= scale)
        .unwrap_or(1)
}

/// How long something may take that takes `span` at most where time runs as fast as it is asked to.
pub fn stretched(span: Duration) -> Duration {
    span.div_f64(remember(pace()))
}

/// The slowest pace so far, this one included.
fn remember(pace: f64) -> f64 {
    let mut slowest = SLOWEST.lock().unwrap_or_else(PoisonError::into_inner);
    *slowest = slowest.min(pace);
    *slowest
}

/// 1 where a thread gets half a processor or more, and less in proportion.
fn pace() -> f64 {
    (2.0 * share_of_a_processor()).min(1.0)
}

/// Time computed by time passed, between zero and one.
fn share_of_a_processor() -> f64 {
    let (computed, passed) = (computing_time(), Instant::now());
    let mut digest = Sha256::new();
    (0..ROUNDS).for_each(|_| digest.update(SAMPLE.as_slice()));
    std::hint::black_box(digest.finalize());
    let (computed, passed) = (computing_time().saturating_sub(computed), passed.elapsed());
    (computed.as_secs_f64() / passed.as_secs_f64()).clamp(0.01, 1.0)
}

fn computing_time() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
