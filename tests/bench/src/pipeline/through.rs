//! Pulls through the sandbox: the functions in processes of their own, over the embedded AWS.

use std::collections::BTreeSet;
use std::time::Duration;

use sandbox_machine::Sandbox;

use super::{DELAY_MS, Load, processor, together};
use crate::Problem;
use crate::person::{Person, calm};

pub(super) async fn measure(at_once: usize, pulls: usize) -> Result<Load, Problem> {
    let sandbox = Sandbox::start(calm(DELAY_MS)?).await?;
    let mut people = Vec::new();
    for number in 0..at_once {
        people.push(Person::ready(&sandbox, number).await?);
    }
    // The processes that the load needs are started by it, not by the measurement.
    together(&people, 1, pull).await?;
    let before = spent(&sandbox)?;
    let took = together(&people, pulls, pull).await?;
    let after = spent(&sandbox)?;
    sandbox.shutdown().await?;
    Ok(Load {
        pulls: at_once * pulls,
        took,
        functions: after.0.saturating_sub(before.0),
        rest: after.1.saturating_sub(before.1),
    })
}

async fn pull(person: &Person) -> Result<(), Problem> {
    let run = person.start().await?;
    person.finish(&run).await?;
    Ok(())
}

/// Processor time of the functions so far, and of this process. Processes that have ended count no more: none does
/// while it is measured, unless a function fails.
fn spent(sandbox: &Sandbox) -> Result<(Duration, Duration), Problem> {
    let processes = sandbox.host().process_table();
    let ids: BTreeSet<u32> = processes.iter().map(|process| process.pid).collect();
    let functions = ids.into_iter().filter_map(processor::of).sum();
    let own = processor::of(std::process::id()).ok_or("this system does not tell processor time")?;
    Ok((functions, own))
}
