//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sandbox_metriport::Persona;

use crate::{explain, pull, simulate, up};

/// Individual Access on one machine: a person pulls their own medical record.
#[derive(Debug, Parser)]
#[command(name = "ias", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything, play the app, the browser and the person, pull twice, and show the record.
    Pull(PullArgs),
    /// Start everything and leave it running for an app of your own.
    Up(UpArgs),
    /// Tell in plain words what happened to a pull, from a running API.
    Explain(ExplainArgs),
    /// Try the domain's rules on random histories in virtual time, or on every history of a small configuration.
    Simulate(SimulateArgs),
    /// One function in this process, as the host starts it.
    #[command(hide = true)]
    Function {
        /// Its name.
        name: String,
    },
}

/// Options of `pull`.
#[derive(Debug, Clone, clap::Args)]
pub struct PullArgs {
    /// A FHIR R4 Bundle that the networks hold, instead of generated data.
    #[arg(long, value_name = "BUNDLE.json")]
    pub record: Option<PathBuf>,
    /// Where the pulled record is written.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Whose pull it is: a behaviour of the networks.
    #[arg(
        long,
        value_name = "NAME",
        default_value_t = Persona::Ordinary,
        value_parser = persona,
        help = persona_help()
    )]
    pub persona: Persona,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
    /// Seed of generated data and ids.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// Options of `up`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpArgs {
    /// Port of the API on 127.0.0.1; a free one if not given.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Keep tables, queues, objects and secrets here; in memory if not given. The stand-in always starts empty.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A FHIR R4 Bundle that the networks hold, instead of generated data.
    #[arg(long, value_name = "BUNDLE.json")]
    pub record: Option<PathBuf>,
    /// A URL of your app that hosted pages may return to; may be given more than once.
    #[arg(long = "redirect", value_name = "URL")]
    pub redirects: Vec<String>,
    /// Show the hosted pages, for a person with an authenticator app, instead of passing them at once.
    #[arg(long)]
    pub pages: bool,
    /// Print what the functions log.
    #[arg(long)]
    pub logs: bool,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// Options of `explain`.
#[derive(Clone, clap::Args)]
pub struct ExplainArgs {
    /// Id of the pull.
    pub run: String,
    /// Base URL of the API.
    #[arg(long, env = "API", value_name = "URL")]
    pub api: String,
    /// Token of the person whose pull it is.
    #[arg(long, env = "TOKEN", value_name = "TOKEN", hide_env_values = true)]
    pub token: String,
}

/// Options of `simulate`.
#[derive(Debug, Clone, clap::Args)]
pub struct SimulateArgs {
    /// How many steps, over all histories.
    #[arg(long, default_value_t = 1_000_000)]
    pub steps: u64,
    /// Seed of the schedules.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Print everything that follows the steps that break a rule, too.
    #[arg(long)]
    pub trace: bool,
    /// Visit every history of a small configuration instead.
    #[arg(long, conflicts_with_all = ["steps", "seed"])]
    pub exhaustive: bool,
}

impl fmt::Debug for ExplainArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainArgs")
            .field("run", &self.run)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

fn persona(name: &str) -> Result<Persona, String> {
    name.parse().map_err(|_unknown| format!("one of {}", names()))
}

fn names() -> String {
    Persona::ALL
        .iter()
        .map(|persona| persona.name())
        .collect::<Vec<_>>()
        .join(", ")
}

fn persona_help() -> String {
    let lines = Persona::ALL
        .iter()
        .map(|persona| format!("  {}: {}", persona.name(), persona.description()));
    format!("How the networks behave:\n{}\n", lines.collect::<Vec<_>>().join("\n"))
}

/// Runs a command to its end.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let outcome = runtime.block_on(async {
        match command {
            Command::Pull(args) => pull::pull(&args).await,
            Command::Up(args) => up::up(&args).await,
            Command::Explain(args) => explain::explain(&args).await,
            Command::Simulate(args) => simulate::simulate(&args),
            Command::Function { name } => Err(format!("{name} runs in a process of its own")),
        }
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

fn fail(error: &str) -> ExitCode {
    crate::report::say_error(&format!("error: {error}"));
    ExitCode::FAILURE
}
