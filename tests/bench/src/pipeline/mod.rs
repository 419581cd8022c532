//! Whole pulls per second, and beside it how many the stand-in alone serves to a caller without any machinery.

mod direct;
mod processor;
mod through;

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use crate::Problem;
use crate::table::{Cell, Table};

/// How many pulls run at once.
const AT_ONCE: [usize; 4] = [1, 4, 16, 64];
/// How long each thing takes upstream, in milliseconds: each source, and the consolidated query.
const DELAY_MS: u64 = 100;

/// What one load came to.
struct Load {
    pulls: usize,
    took: Duration,
    /// Processor time of the functions' processes, and of everything else: emulators, stand-in and apps.
    functions: Duration,
    rest: Duration,
}

impl Load {
    fn per_second(&self) -> f64 {
        count(self.pulls) / self.took.as_secs_f64()
    }

    fn millis_per_pull(&self, spent: Duration) -> f64 {
        spent.as_secs_f64() * 1000.0 / count(self.pulls)
    }
}

/// Measures both, one after the other at each load. `runs` pulls are made at the least load.
///
/// # Errors
/// When the sandbox does not start, or a pull does not complete.
pub async fn measure(runs: usize) -> Result<Vec<Table>, Problem> {
    let mut rows = Vec::new();
    for at_once in AT_ONCE {
        let pulls = (runs / at_once).max(2);
        let ours = through::measure(at_once, pulls).await?;
        let ceiling = direct::measure(at_once, pulls).await?;
        rows.push(vec![
            at_once.to_string().as_str().into(),
            ours.per_second().into(),
            ceiling.per_second().into(),
            Cell::Number(ours.per_second() / ceiling.per_second()),
            ours.millis_per_pull(ours.took * u32::try_from(at_once)?).into(),
            ours.millis_per_pull(ours.functions).into(),
            ours.millis_per_pull(ours.rest).into(),
        ]);
    }
    let processors = std::thread::available_parallelism()?;
    Ok(vec![Table {
        name: "pipeline",
        caption: format!(
            "Whole pulls, challenge and record included, over {processors} processors; each source and each \
             consolidated query takes {DELAY_MS} ms upstream, HIE twice that. The ceiling is the same calls upstream, \
             made directly."
        ),
        columns: vec![
            "at once",
            "pulls/s",
            "ceiling, pulls/s",
            "ratio",
            "one pull takes, ms",
            "functions' CPU, ms/pull",
            "sandbox's CPU, ms/pull",
        ],
        rows,
        breaches: Vec::new(),
    }])
}

/// So many workers at once, each with its pulls one after the other; what they took.
async fn together<W>(
    workers: &[W],
    pulls: usize,
    pull: impl AsyncFn(&W) -> Result<(), Problem>,
) -> Result<Duration, Problem> {
    let begun = Instant::now();
    let work = workers.iter().map(async |worker| {
        for _ in 0..pulls {
            pull(worker).await?;
        }
        Ok::<_, Problem>(())
    });
    try_join_all(work).await?;
    Ok(begun.elapsed())
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
const fn count(number: usize) -> f64 {
    number as f64
}
