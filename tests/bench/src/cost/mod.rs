//! What a pull, an idle person and an idle stack cost: counted in the sandbox, times list prices.

mod bill;
mod people;
mod prices;
mod tally;
mod template;

use std::collections::{BTreeMap, BTreeSet};

use sandbox_aws::Service;
use sandbox_machine::Sandbox;

use crate::Problem;
use crate::person::{Person, calm, until};
use crate::table::{Cell, Table};
use people::{Size, possessions};
use tally::{Counter, Tally};
use template::Template;

/// How many people are stored while pulls are counted.
const PEOPLE: [usize; 2] = [100, 100_000];
/// Time runs so much faster, functions and networks alike: the looks that a pull has planned for later minutes come
/// within seconds, and are counted with it.
const TIME_SCALE: u32 = 20;
/// How long each thing takes upstream, in milliseconds of upstream's time.
const DELAY_MS: u64 = 1_000;
/// Pulls counted at each number of people, and ticks of the idle stack.
const PULLS: usize = 9;
const TICKS: usize = 5;
/// How often a person's app asks how a pull goes: once when it has ended.
const API_REQUESTS: u64 = 4;

type Counts = BTreeMap<(Service, String), u64>;

/// What was counted.
struct Counted {
    /// One pull each.
    pulls: Vec<Tally>,
    /// One tick each.
    ticks: Vec<Tally>,
    /// The start of one process of each function.
    starts: Tally,
    size: Size,
    record_bytes: u64,
    seeding: String,
}

/// Counts, with few and with many people in the table.
///
/// # Errors
/// When the sandbox does not start, or a pull does not complete.
pub async fn measure(_runs: usize) -> Result<Vec<Table>, Problem> {
    let template = Template::read()?;
    let few = counted(&template, PEOPLE[0]).await?;
    let many = counted(&template, PEOPLE[1]).await?;
    Ok(vec![
        calls(&few, &many),
        bill::of_pulls(&few),
        bill::of_people(&few),
        bill::of_the_stack(&few, &template)?,
    ])
}

async fn counted(template: &Template, people: usize) -> Result<Counted, Problem> {
    let (counter, folder) = (Counter::default(), tempfile::tempdir()?);
    let mut options = calm(DELAY_MS)?;
    (options.time_scale, options.stand_in.time_scale) = (TIME_SCALE, TIME_SCALE);
    // So many people do not fit into memory beside everything else.
    options.data_dir = Some(folder.path().to_owned());
    counter.watch(&mut options);
    let sandbox = Sandbox::start(options).await?;
    let starts = counter.read(&sandbox, template)?;
    let person = Person::ready(&sandbox, 0).await?;
    // A first pull, so that the person has what others have.
    let (_, record_bytes) = pull(&sandbox, &person, &counter, template).await?;
    let possessions = possessions(&sandbox, &person.subject).await?;
    let took = possessions.multiply(&sandbox, people - 1).await?;
    let mut pulls = Vec::new();
    for _ in 0..PULLS {
        pulls.push(pull(&sandbox, &person, &counter, template).await?.0);
    }
    let mut ticks = Vec::new();
    // The first tick looks at deliveries, which is done now and then only.
    for _ in 0..=TICKS {
        let before = counter.read(&sandbox, template)?;
        sandbox
            .host()
            .invoke_schedule("reconcile")
            .await
            .map_err(|error| error.to_string())?;
        ticks.push(counter.read(&sandbox, template)?.since(&before));
    }
    ticks.remove(0);
    sandbox.shutdown().await?;
    Ok(Counted {
        pulls,
        ticks,
        starts,
        size: possessions.size(),
        record_bytes,
        seeding: format!("{people} people were put into the table in {:.0} s", took.as_secs_f64()),
    })
}

/// One pull with everything that follows from it, and the bytes of its record. The app asks how it goes once, when it
/// has ended: how often apps ask is theirs.
async fn pull(
    sandbox: &Sandbox,
    person: &Person,
    counter: &Counter,
    template: &Template,
) -> Result<(Tally, u64), Problem> {
    let before = counter.read(sandbox, template)?;
    let id = person.start().await?;
    until("nothing is left to be done", async || {
        let depths = sandbox.aws().queues().depths();
        let left: usize = depths
            .values()
            .map(|depth| depth.visible + depth.in_flight + depth.delayed)
            .sum();
        Ok((left == 0 && sandbox.host().in_flight() == 0).then_some(()))
    })
    .await?;
    let bytes = person.fetch(&person.run(&id).await?).await?;
    Ok((counter.read(sandbox, template)?.since(&before), bytes))
}

/// The fewest and the most calls of each kind in several pulls. More than the fewest is chance: two calls draw the same
/// place of a budget and one draws again, or a webhook comes before the answer that it is about.
fn extremes(tallies: &[Tally]) -> BTreeMap<(Service, String), (u64, u64)> {
    let counts: Vec<Counts> = tallies.iter().map(Tally::counts).collect();
    let kinds: BTreeSet<_> = counts.iter().flat_map(|counts| counts.keys().cloned()).collect();
    let of_kind = |kind: (Service, String)| {
        let each = || counts.iter().map(|counts| counts.get(&kind).copied().unwrap_or(0));
        let extremes = (each().min().unwrap_or(0), each().max().unwrap_or(0));
        (kind, extremes)
    };
    kinds.into_iter().map(of_kind).collect()
}

fn range((fewest, most): (u64, u64)) -> Cell {
    Cell::Text(if fewest == most {
        fewest.to_string()
    } else {
        format!("{fewest}–{most}")
    })
}

fn calls(few: &Counted, many: &Counted) -> Table {
    let (with_few, with_many) = (extremes(&few.pulls), extremes(&many.pulls));
    let kinds: BTreeSet<_> = with_few.keys().chain(with_many.keys()).collect();
    let mut breaches = Vec::new();
    let rows = kinds.into_iter().map(|kind| {
        let (service, operation) = kind;
        let [less, more] = [&with_few, &with_many].map(|counts| counts.get(kind).copied().unwrap_or_default());
        if less.0 != more.0 {
            breaches.push(format!(
                "{service} {operation}: {} a pull with {} people, {} with {}",
                less.0, PEOPLE[0], more.0, PEOPLE[1]
            ));
        }
        let mean = |of: fn(&tally::Calls) -> f64| {
            let each = few.pulls.iter().map(|pull| pull.calls.get(kind).map_or(0.0, of));
            Cell::Number(each.sum::<f64>() / bill::count(few.pulls.len()))
        };
        vec![
            Cell::Text(format!("{service} {operation}")),
            range(less),
            range(more),
            mean(|calls| bill::large(calls.request_bytes)),
            mean(|calls| bill::large(calls.response_bytes)),
            mean(|calls| calls.read_units),
            mean(|calls| calls.write_units),
        ]
    });
    Table {
        name: "cost-calls",
        rows: rows.collect(),
        caption: format!(
            "Calls to AWS of one pull, challenge, record and all later looks included: fewest and most of {PULLS}, with {} and \
             with {} people in the table; bytes and units are means with {}. {}; {}.",
            PEOPLE[0], PEOPLE[1], PEOPLE[0], few.seeding, many.seeding
        ),
        columns: vec![
            "call",
            "a pull, 100 people",
            "a pull, 100,000 people",
            "bytes sent",
            "bytes received",
            "read units",
            "write units",
        ],
        breaches,
    }
}
