//! One process, event after event.

mod valgrind;

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use serde_json::Value;

use crate::Problem;
use crate::bed::process::{Process, Program};
use crate::bed::pull::{STEPS, Step};
use crate::bed::world::World;
use crate::builds::{Builds, Way};
use crate::spread::quantile;
use crate::table::{Cell, Table};
use valgrind::{Tool, per_event};

/// Events before those that count: connections are made, caches are filled.
const BEFORE: usize = 20;
/// Events that count, per run asked for.
const EVENTS_PER_RUN: usize = 20;
/// CPU of webhook-intake, of the empty binary's.
const INTAKE_OF_EMPTY_MAX: f64 = 3.0;

/// Measures.
///
/// # Errors
/// When a function does not do what it is asked.
pub async fn measure(builds: &Builds, runs: usize) -> Result<Vec<Table>, Problem> {
    let world = World::start().await?;
    let (mut rows, mut breaches) = (Vec::new(), Vec::new());
    for step in STEPS {
        let event = step.event(&world)?;
        let function = Program::new(step.function, &builds.function(step.function));
        if step.measured {
            let empty = Program::new(step.function, &builds.empty(Way::Usual));
            let (ours, least) = interleaved(&world, [&function, &empty], &event, runs * EVENTS_PER_RUN).await?;
            let ratio = ours.cpu_us / least.cpu_us;
            if step.function == "webhook-intake" && ratio > INTAKE_OF_EMPTY_MAX {
                breaches.push(format!(
                    "webhook-intake: CPU per event ÷ empty is {ratio:.2}, which is to be at most {INTAKE_OF_EMPTY_MAX}"
                ));
            }
            let counted = counts(&world, &function, &within(step.function)?, &event).await?;
            rows.push(ours.row(step.function, Some(ratio), counted));
            if step.function == "webhook-intake" {
                rows.push(least.row("(empty binary)", None, counts(&world, &empty, &empty, &event).await?));
            }
        }
        lead(&world, &function, &step, &event).await?;
    }
    Ok(vec![Table {
        name: "warm",
        caption: format!(
            "One event after the other in one process, {} of each: processor time and time to the reply in \
             microseconds; allocations and instructions as valgrind counts them.",
            runs * EVENTS_PER_RUN
        ),
        columns: vec![
            "function",
            "CPU per event",
            "÷ empty",
            "p50",
            "p99",
            "calls",
            "allocations",
            "thousand instructions",
        ],
        rows,
        breaches,
    }])
}

/// Does a step as part of the pull.
async fn lead(world: &World, function: &Program, step: &Step, event: &Value) -> Result<(), Problem> {
    let mut process = world.start_process(function, None).await?;
    process.init().await?;
    let reply = process.invoke(Bytes::from(event.to_string())).await?.body;
    process.kill().await?;
    let reply = serde_json::from_slice(&reply)?;
    match step.is_done(&reply, world) {
        true => Ok(()),
        false => Err(format!("{} replied {reply}", step.function).into()),
    }
}

/// What one process took per event.
struct Warm {
    cpu_us: f64,
    p50_us: f64,
    p99_us: f64,
    calls: usize,
}

impl Warm {
    fn row(
        &self,
        name: &str,
        ratio: Option<f64>,
        (allocations, instructions): (Option<f64>, Option<f64>),
    ) -> Vec<Cell> {
        let cell = |number: Option<f64>| number.map_or(Cell::Nothing, Cell::Number);
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        let calls = self.calls as f64;
        vec![
            name.into(),
            self.cpu_us.into(),
            cell(ratio),
            self.p50_us.into(),
            self.p99_us.into(),
            calls.into(),
            cell(allocations),
            cell(instructions.map(|count| count / 1e3)),
        ]
    }
}

/// Two processes, a block of events each in turn, so that both live through the same minutes.
async fn interleaved(
    world: &World,
    programs: [&Program; 2],
    event: &Value,
    events: usize,
) -> Result<(Warm, Warm), Problem> {
    const BLOCKS: usize = 10;
    let event = Bytes::from(event.to_string());
    let [first, second] = programs;
    let mut first = Serving::start(world, first, &event).await?;
    let mut second = Serving::start(world, second, &event).await?;
    for _ in 0..BLOCKS {
        for serving in [&mut first, &mut second] {
            serving.serve(world, &event, events.div_ceil(BLOCKS)).await?;
        }
    }
    Ok((first.done(), second.done()))
}

/// A process at work.
struct Serving {
    process: Process,
    cpu_us: f64,
    took: Vec<Duration>,
    calls: usize,
}

impl Serving {
    async fn start(world: &World, program: &Program, event: &Bytes) -> Result<Self, Problem> {
        let mut process = world.start_process(program, None).await?;
        process.init().await?;
        let mut serving = Self {
            process,
            cpu_us: 0.0,
            took: Vec::new(),
            calls: 0,
        };
        serving.serve(world, event, BEFORE).await?;
        (serving.cpu_us, serving.took) = (0.0, Vec::new());
        Ok(serving)
    }

    async fn serve(&mut self, world: &World, event: &Bytes, count: usize) -> Result<(), Problem> {
        let before = self.process.vitals()?.cpu_us;
        for _ in 0..count {
            let left = world.state().clone();
            world.state().seen = Default::default();
            self.took.push(self.process.invoke(event.clone()).await?.took);
            self.process.polled().await?;
            let mut state = world.state();
            self.calls = state.seen.calls.len();
            *state = left;
        }
        self.cpu_us += self.process.vitals()?.cpu_us - before;
        Ok(())
    }

    fn done(self) -> Warm {
        let micros: Vec<f64> = self.took.iter().map(|took| took.as_secs_f64() * 1e6).collect();
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let count = micros.len() as f64;
        Warm {
            cpu_us: self.cpu_us / count,
            p50_us: quantile(&micros, 0.5).unwrap_or_default(),
            p99_us: quantile(&micros, 0.99).unwrap_or_default(),
            calls: self.calls,
        }
    }
}

/// Allocations and instructions of one event, where valgrind is there. It sees no allocation of a binary that is linked
/// statically, so they are counted in `linked`, a program that is not.
async fn counts(
    world: &World,
    program: &Program,
    linked: &Program,
    event: &Value,
) -> Result<(Option<f64>, Option<f64>), Problem> {
    let event = Bytes::from(event.to_string());
    Ok((
        per_event(world, linked, &event, Tool::Allocations).await?,
        per_event(world, program, &event, Tool::Instructions).await?,
    ))
}

/// The same function inside of this binary, which takes the system's allocator.
fn within(function: &str) -> Result<Program, Problem> {
    let mut program = Program::new(function, &std::env::current_exe()?);
    program.command.extend(["function", function].map(PathBuf::from));
    Ok(program)
}
