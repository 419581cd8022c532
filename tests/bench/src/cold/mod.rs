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
use crate::builds::Builds;
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
    for _ in 0..runs {
        bench.round(&mut free, None).await?;
    }
    let mut limited = BTreeMap::new();
    for memory_mb in MEMORY_MB {
        let Some(group) = Group::new(memory_mb) else { break };
        let runs_of = limited.entry(memory_mb).or_insert_with(Runs::new);
        // A processor cut to a fourteenth takes its time; what is slow is measured well enough in fewer runs.
        for _ in 0..runs.div_ceil(5) {
            bench.round(runs_of, Some(&group)).await?;
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
    /// One pull, its functions followed by their yardsticks.
    async fn round(&self, runs: &mut Runs, group: Option<&Group>) -> Result<(), Problem> {
        *self.world.state() = Default::default();
        for step in STEPS {
            let event = step.event(self.world)?;
            let function = Program::new(step.function, &self.builds.function(step.function));
            let one = run(&function, self.world, &event, group).await?;
            if !step.is_done(&one.reply, self.world) {
                return Err(format!("{} replied {}", step.function, one.reply).into());
            }
            if step.measured {
                let seen = self.world.state().seen.clone();
                runs.entry((step.function, Kind::Function)).or_default().push(one);
                self.yardsticks(&step, &event, &seen, (runs, group)).await?;
            }
        }
        Ok(())
    }

    async fn yardsticks(
        &self,
        step: &Step,
        event: &Value,
        seen: &Seen,
        (runs, group): (&mut Runs, Option<&Group>),
    ) -> Result<(), Problem> {
        let left = self.world.state().clone();
        let secrets = seen.secrets.join(",");
        let calls = json!({ "calls": seen.calls });
        let program = |binary: PathBuf| Program::new(step.function, &binary).with("YARDSTICK_SECRETS", secrets.clone());
        let mut usual = program(self.builds.skeleton());
        for (variable, operation) in [("YARDSTICK_S3", "PutObject"), ("YARDSTICK_UPSTREAM", "Http")] {
            if seen.calls.iter().any(|call| call["operation"] == operation) || uses_s3(step, variable) {
                usual = usual.with(variable, "1");
            }
        }
        let node = self.node.as_deref().filter(|_| step.function == "webhook-intake");
        let yardsticks = [
            (Kind::Floor, program(self.builds.floor(step.function)), event),
            (Kind::Usual, usual, &calls),
            (Kind::Empty, program(self.builds.empty()), event),
        ];
        let node = node.map(|bundle| (Kind::Node, crate::node::program(bundle, &self.world.tls.root), event));
        for (kind, program, event) in yardsticks.into_iter().chain(node) {
            let one = run(&program, self.world, event, group).await?;
            runs.entry((step.function, kind)).or_default().push(one);
            self.world.state().clone_from(&left);
        }
        Ok(())
    }
}

/// `record-read` signs links, which is no call.
fn uses_s3(step: &Step, variable: &str) -> bool {
    variable == "YARDSTICK_S3" && step.function == "record-read"
}
