//! Whole pulls per second, compared with the most that Metriport's delays allow. Once this machine's processors are
//! fully used, further persons only wait; on AWS they would not.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;
use sandbox_machine::Sandbox;
use tokio::time::Instant;

use crate::Problem;
use crate::person::{DELAY_MS, Person, unlimited_options};
use crate::table::{Table, number};
use crate::usage::cpu_ms;

/// Numbers of concurrent pulls.
const AT_ONCE: [usize; 4] = [1, 4, 16, 64];
/// How long a pull waits for HIE and for the consolidated query, in milliseconds.
const WAIT_MS: f64 = 3.0 * DELAY_MS as f64;

/// Measures each load with about `runs` pulls, and at least two per person.
pub async fn measure(pulls: usize) -> Result<Table, Problem> {
    let mut rows = Vec::new();
    for at_once in AT_ONCE {
        rows.push(load(at_once, (pulls / at_once).max(2)).await?);
    }
    let processors = std::thread::available_parallelism()?;
    Ok(Table {
        name: "pipeline",
        caption: format!("Whole pulls, challenge and download included, over {processors} processors."),
        columns: "at once | pulls/s | most pulls/s by the stand-in's waits | ratio | one pull, ms | functions' CPU, ms/pull | sandbox's CPU, ms/pull",
        rows,
        ..Table::default()
    })
}

async fn load(at_once: usize, pulls: usize) -> Result<String, Problem> {
    let sandbox = Sandbox::start(unlimited_options(DELAY_MS)?).await?;
    let mut people = Vec::new();
    for number in 0..at_once {
        people.push(Person::ready(&sandbox, number).await?);
    }
    // This round starts the processes that the load needs, so that the measured pulls do not.
    pull(&people, 1).await?;
    let before = spent_ms(&sandbox)?;
    let begun = Instant::now();
    pull(&people, pulls).await?;
    let took_secs = begun.elapsed().as_secs_f64();
    let after = spent_ms(&sandbox)?;
    sandbox.shutdown().await?;
    let all = (at_once * pulls) as f64;
    let (per_second, most) = (all / took_secs, at_once as f64 / (WAIT_MS / 1000.0));
    let figures = [
        per_second,
        most,
        per_second / most,
        1000.0 * took_secs / pulls as f64,
        (after.0 - before.0) / all,
        (after.1 - before.1) / all,
    ];
    Ok(format!("{at_once} | {}", figures.map(number).join(" | ")))
}

/// All people pull concurrently, each with their pulls one after the other, downloads included.
async fn pull(people: &[Person], pulls: usize) -> Result<(), Problem> {
    let work = people.iter().map(async |person| {
        for _ in 0..pulls {
            let record = person.pull().await?;
            person.download(&record).await?;
        }
        Ok::<_, Problem>(())
    });
    try_join_all(work).await?;
    Ok(())
}

/// Processor time of the functions' processes, and of this process, which runs everything else, in milliseconds.
fn spent_ms(sandbox: &Sandbox) -> Result<(f64, f64), Problem> {
    let processes = sandbox.host().process_table();
    let ids: BTreeSet<u32> = processes.iter().map(|process| process.pid).collect();
    let functions = ids.into_iter().filter_map(|id| cpu_ms(id).ok()).sum();
    Ok((functions, cpu_ms(std::process::id())?))
}
