//! From the start of a process to its first reply.

mod limits;
mod plot;
mod run;
mod tables;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::Problem;
use crate::bed::process::Program;
use crate::bed::pull::{STEPS, Step};
use crate::bed::world::{Seen, World};
use crate::builds::{Builds, Way};
use crate::page;
use crate::table::Table;
use limits::Group;
use run::{Run, run};

/// What stands beside a function, or the function itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The function.
    Function,
    /// What it cannot be without.
    Floor,
    /// The usual way, making the same calls.
    Usual,
    /// The runtime alone.
    Empty,
    /// The same, linked as the functions are, for webhook-intake.
    EmptyDeployed,
    /// The usual way in Node, for webhook-intake.
    Node,
}

/// All runs, by function and kind.
pub type Runs = BTreeMap<(&'static str, Kind), Vec<Run>>;

/// The memory sizes whose share of a processor is tried, in MB.
const MEMORY_MB: [u32; 3] = [128, 256, 512];

/// Measures.
///
/// # Errors
/// When a function does not start or does not do what it is asked.
pub async fn measure(builds: &Builds, runs: usize, write: bool) -> Result<Vec<Table>, Problem> {
    let world = World::start().await?;
    let bench = Bench {
        builds,
        world: &world,
        node: crate::node::bundle(),
    };
    let mut free = Runs::new();
    for number in 0..runs {
        bench.round(&mut free, None, number).await?;
    }
    let mut limited = BTreeMap::new();
    for memory_mb in MEMORY_MB {
        if let Err(problem) = Group::new(memory_mb) {
            tell(&format!("the processor cannot be limited: {problem}"));
            break;
        }
        let runs_of = limited.entry(memory_mb).or_insert_with(Runs::new);
        // A processor cut to a fourteenth takes its time; what is slow is measured well enough in fewer runs.
        for number in 0..runs.div_ceil(5) {
            bench.round(runs_of, Some(memory_mb), number).await?;
        }
    }
    if write {
        fs::write(page::root().join("docs/img/cold.svg"), plot::cold(&free))?;
    }
    tables::all(builds, &free, &limited, runs)
}

struct Bench<'a> {
    builds: &'a Builds,
    world: &'a World,
    node: Option<PathBuf>,
}

impl Bench<'_> {
    /// One pull. Each of its functions leads on to the next, and is measured then, among its yardsticks: what starts
    /// after something else than its like finds colder caches, so each is at another place in each round.
    async fn round(&self, runs: &mut Runs, memory_mb: Option<u32>, number: usize) -> Result<(), Problem> {
        *self.world.state() = Default::default();
        for step in STEPS {
            let event = step.event(self.world)?;
            let before = self.world.state().clone();
            let function = Program::new(step.function, &self.builds.function(step.function));
            let done = |run: &Run| match step.is_done(&run.reply, self.world) {
                true => Ok(()),
                false => Err(format!("{} replied {}", step.function, run.reply)),
            };
            done(&run(&function, self.world, &event, memory_mb).await?)?;
            if !step.measured {
                continue;
            }
            let after = self.world.state().clone();
            let calls = json!({ "calls": after.seen.calls });
            let mut programs = self.yardsticks(&step, &event, &calls, &after.seen);
            programs.insert(0, (Kind::Function, function, &event));
            let places = programs.len();
            programs.rotate_left(number.checked_rem(places).unwrap_or_default());
            for (kind, program, event) in programs {
                self.world
                    .state()
                    .clone_from(if kind == Kind::Function { &before } else { &after });
                let one = run(&program, self.world, event, memory_mb).await?;
                if kind == Kind::Function {
                    done(&one)?;
                }
                runs.entry((step.function, kind)).or_default().push(one);
            }
            self.world.state().clone_from(&after);
        }
        Ok(())
    }

    fn yardsticks<'e>(
        &self,
        step: &Step,
        event: &'e Value,
        calls: &'e Value,
        seen: &Seen,
    ) -> Vec<(Kind, Program, &'e Value)> {
        let secrets = seen.secrets.join(",");
        let program = |binary: PathBuf| Program::new(step.function, &binary).with("YARDSTICK_SECRETS", secrets.clone());
        let mut usual = program(self.builds.skeleton());
        for (variable, operation) in [("YARDSTICK_S3", "PutObject"), ("YARDSTICK_UPSTREAM", "Http")] {
            if seen.calls.iter().any(|call| call["operation"] == operation) || uses_s3(step, variable) {
                usual = usual.with(variable, "1");
            }
        }
        let mut yardsticks = vec![
            (Kind::Floor, program(self.builds.floor(step.function)), event),
            (Kind::Usual, usual, calls),
            (Kind::Empty, program(self.builds.empty(Way::Usual)), event),
        ];
        if step.function == "webhook-intake" {
            let empty = program(self.builds.empty(Way::Deployed));
            yardsticks.push((Kind::EmptyDeployed, empty, event));
            let node = self.node.as_deref();
            let node = node.map(|bundle| crate::node::program(bundle, &self.world.tls.root));
            yardsticks.extend(node.map(|node| (Kind::Node, node, event)));
        }
        yardsticks
    }
}

#[expect(clippy::print_stderr, reason = "the command's output")]
fn tell(what: &str) {
    eprintln!("{what}");
}

/// `record-read` signs links, which is no call.
fn uses_s3(step: &Step, variable: &str) -> bool {
    variable == "YARDSTICK_S3" && step.function == "record-read"
}
