//! Chooses the time scale for the functions: the requested one, or a lower one if this machine is too busy to follow.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest, Sha256};

/// Data to hash [`ROUNDS`] times, to measure how much of a processor a thread gets. This takes some twenty milliseconds
/// of computing time.
static SAMPLE: [u8; 1 << 20] = [0; 1 << 20];
const ROUNDS: usize = 8;
/// The slowest pace measured so far. Time limits ([`stretched`]) use it, because a running sandbox keeps its scale even
/// if the machine becomes faster.
static SLOWEST: Mutex<f64> = Mutex::new(1.0);

/// The time scale: `fastest` if a thread gets half a processor or more, and proportionally less otherwise. A scaled
/// time, such as the life of an AAL2 session, then leaves time for about as many steps on every machine.
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

/// The time limit for work that takes at most `span` on a machine that can follow the requested scale.
pub fn stretched(span: Duration) -> Duration {
    span.div_f64(remember(pace()))
}

/// Remembers this pace and returns the slowest so far.
fn remember(pace: f64) -> f64 {
    let mut slowest = SLOWEST.lock().unwrap_or_else(PoisonError::into_inner);
    *slowest = slowest.min(pace);
    *slowest
}

/// 1 if a thread gets half a processor or more, and proportionally less otherwise.
fn pace() -> f64 {
    (2.0 * share_of_a_processor()).min(1.0)
}

/// The thread's computing time divided by the elapsed time, from 0.01 to 1.
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
