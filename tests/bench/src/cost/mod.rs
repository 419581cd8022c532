//! The cost of a pull, of an idle person and of an idle stack: counts from the sandbox, times list prices.

mod bill;
mod people;
mod prices;
mod tally;

use std::collections::BTreeSet;

use sandbox_aws::{Service, Weight};
use sandbox_machine::Sandbox;

use crate::Problem;
use crate::person::{Person, tick, unlimited_options, until};
use crate::table::{Table, number};
use people::Possessions;
pub use prices::DYNAMODB_READ;
use tally::{Counter, Tally};

/// Numbers of people in the table while pulls are counted.
const PEOPLE: [usize; 2] = [100, 100_000];
/// Factor by which time runs faster, for functions and networks alike. A pull's later polls then happen within seconds,
/// so that they are counted as its cost.
const TIME_SCALE: u32 = 20;
/// The stand-in's delay of each step, in milliseconds before time is scaled.
const DELAY_MS: u64 = 1_000;
/// Numbers of counted pulls, and of counted ticks of the idle stack, for each number of people.
const PULLS: usize = 9;
const TICKS: usize = 5;
/// An app's requests for one pull. It asks for the pull's state once, after the end; real apps choose how often they
/// ask.
const API_REQUESTS: f64 = 4.0;

struct Counted {
    /// One pull each.
    pulls: Vec<Tally>,
    /// One tick each.
    ticks: Vec<Tally>,
    /// The start of one process of each function.
    starts: Tally,
    /// The number of a person's items, and their bytes.
    size: (usize, usize),
    record_bytes: f64,
}

/// Counts with few and with many people in the table.
pub async fn measure() -> Result<Vec<Table>, Problem> {
    let [few, many] = [count(PEOPLE[0]).await?, count(PEOPLE[1]).await?];
    Ok(vec![
        calls(&few.pulls, &many.pulls),
        bill::of_pulls(&few),
        bill::of_the_stack(&few)?,
    ])
}

async fn count(people: usize) -> Result<Counted, Problem> {
    let folder = tempfile::tempdir()?;
    let mut options = unlimited_options(DELAY_MS)?;
    (options.time_scale, options.stand_in.time_scale) = (TIME_SCALE, TIME_SCALE);
    // On disk, because memory does not suffice for so many people.
    options.data_dir = Some(folder.path().to_owned());
    let counter = Counter::watch(&mut options)?;
    let sandbox = Sandbox::start(options).await?;
    let starts = counter.take();
    let person = Person::ready(&sandbox, 0).await?;
    // The first pull is not counted. It writes the items of a person who has pulled once.
    let record_bytes = pull(&sandbox, &person).await? as f64;
    let possessions = Possessions::read(&sandbox).await?;
    possessions.multiply(&sandbox, people - 1).await?;
    let mut pulls = Vec::new();
    for _ in 0..PULLS {
        pulls.push(counter.during(&sandbox, pull(&sandbox, &person)).await?);
    }
    let mut ticks = Vec::new();
    // The first tick is left out, because it also checks deliveries. Later ticks rarely do so.
    for _ in 0..=TICKS {
        ticks.push(counter.during(&sandbox, tick(&sandbox)).await?);
    }
    ticks.remove(0);
    sandbox.shutdown().await?;
    Ok(Counted {
        pulls,
        ticks,
        starts,
        size: possessions.size(),
        record_bytes,
    })
}

/// One pull with everything that follows from it; returns the size of its record in bytes.
async fn pull(sandbox: &Sandbox, person: &Person) -> Result<usize, Problem> {
    let id = person.start().await?;
    until("all work is done", async || {
        let depths = sandbox.aws().queues().depths();
        let mut depths = depths.values();
        let is_empty = depths.all(|depth| depth.visible + depth.in_flight + depth.delayed == 0);
        Ok((is_empty && sandbox.host().in_flight() == 0).then_some(()))
    })
    .await?;
    let record = person.record(&person.read_pull(&id).await?).await?;
    Ok(person.download(&record).await?.len())
}

/// The lowest and the highest number of calls of one kind in several pulls. Further calls happen by chance. Either two
/// calls draw the same place of a budget, or a webhook arrives before the answer to the call that caused it.
fn extremes(pulls: &[Tally], (service, operation): (Service, &str)) -> (f64, f64) {
    let counts = || {
        pulls
            .iter()
            .map(|pull| pull.sum(service, |name| name == operation, |_| 1.0))
    };
    (counts().fold(f64::MAX, f64::min), counts().fold(0.0, f64::max))
}

fn calls(few: &[Tally], many: &[Tally]) -> Table {
    let mut table = Table {
        name: "cost-calls",
        caption: format!(
            "Calls of one pull with all its polls: fewest and most of {PULLS} pulls. DynamoDB holds the items of 100 or \
             100,000 people.",
        ),
        columns: "call | 100 people | 100,000 people | DynamoDB units",
        ..Table::default()
    };
    let calls = few.iter().chain(many).flat_map(|pull| &pull.calls);
    let kinds = calls.map(|weight| (weight.call.service, weight.call.operation.as_str()));
    // Secrets are left out, because a process reads them when it starts and not for a pull.
    let kinds: BTreeSet<_> = kinds
        .filter(|(service, _)| *service != Service::SecretsManager)
        .collect();
    for kind in kinds {
        let name = format!("{} {}", kind.0, kind.1);
        let (with_few, with_many) = (extremes(few, kind), extremes(many, kind));
        table.hold(&format!("{name} with many people"), with_many.0, with_few.0);
        let units = |weight: &Weight| weight.read_units + weight.write_units;
        let units = few.iter().map(|pull| pull.sum(kind.0, |name| name == kind.1, units));
        let units = number(units.sum::<f64>() / few.len() as f64);
        let range = |(fewest, most): (f64, f64)| match fewest == most {
            true => fewest.to_string(),
            false => format!("{fewest}–{most}"),
        };
        let (few, many) = (range(with_few), range(with_many));
        table.rows.push(format!("{name} | {few} | {many} | {units}"));
    }
    table
}
