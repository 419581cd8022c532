//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ias::cli::run_to_end;

use crate::burst;
use crate::chaos::{self, RotationArgs};
use crate::trial::{self, TrialArgs};

/// Runs whole pulls over real processes, and judges the results.
#[derive(Debug, Parser)]
#[command(name = "proofs", version, about)]
pub struct Cli {
    /// The proof to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The proofs.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Let many persons pull while faults of every kind are injected, and judge each pull.
    Chaos(ChaosArgs),
    /// Kill a process once at every point of a pull, and judge each result.
    Kills(PointsArgs),
    /// Withdraw the consent once before and after every call of a pull, and judge each result.
    Withdraw(PointsArgs),
    /// Erase the person once before and after every call of a pull, or kill a process at every point of an erasure, and
    /// judge each result.
    Erase(EraseArgs),
    /// Let persons pull while Metriport changes its webhook key and API keys are replaced, and judge the results.
    Rotation(RotationArgs),
    /// Let many persons pull at the same moment, with time running faster, and check that Metriport's limits hold.
    Burst(BurstArgs),
    /// Repeat each finding of a security trial, and check that it is refused.
    Trial(TrialArgs),
    /// One function in this process, as the host starts it.
    #[command(hide = true)]
    Function {
        /// Its name.
        name: String,
    },
}

/// Options of `chaos`.
#[derive(Debug, Clone, clap::Args)]
pub struct ChaosArgs {
    /// Number of pulls.
    #[arg(long, default_value_t = 1000)]
    pub pulls: u32,
    /// Seed of the persons and of the faults.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Divides every duration, ours and the stand-in's.
    #[arg(long, default_value_t = 20)]
    pub scale: u32,
    /// Number of persons at once.
    #[arg(long, default_value_t = 40)]
    pub at_once: u32,
    /// Inject no faults, for comparison.
    #[arg(long)]
    pub calm: bool,
    /// Share of webhooks that never arrive.
    #[arg(long, default_value_t = 0.30)]
    pub dropped: f64,
    /// Share of webhooks that arrive twice.
    #[arg(long, default_value_t = 0.20)]
    pub doubled: f64,
    /// Pulls per killed process; 0 turns kills off.
    #[arg(long, default_value_t = 20)]
    pub pulls_per_kill: u32,
    /// Share of persons who withdraw their consent, among those with several pulls.
    #[arg(long, default_value_t = 0.30)]
    pub withdrawing: f64,
    /// Share of persons who report their first record as another person's, among those with several pulls who do not
    /// withdraw.
    #[arg(long, default_value_t = 0.10)]
    pub reporting: f64,
    /// Share of persons who are erased during their first pull. Those with several pulls come back.
    #[arg(long, default_value_t = 0.10)]
    pub erasing: f64,
    /// Print the functions' logs.
    #[arg(long)]
    pub logs: bool,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// Options of `burst`.
#[derive(Debug, Clone, clap::Args)]
pub struct BurstArgs {
    /// Persons who pull at once.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub people: u16,
    /// Network query starts a minute that Metriport allows.
    #[arg(long, default_value_t = 20, conflicts_with = "noisy", value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub limit: u32,
    /// How much faster time runs: by default 12 times, or twice with a noisy person.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub scale: Option<u32>,
    /// Let one person send 80 % of the requests that the API admits, on every route, while the others pull and read
    /// their records.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=1))]
    pub noisy: u8,
    /// With a noisy person: how long they send, in seconds before time is scaled.
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u32).range(10..=3_600))]
    pub secs: u32,
    /// With a noisy person: decides their requests and when the others pull.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// With a noisy person: switch the persons' shares off, so that the proof fails.
    #[arg(long)]
    pub no_shares: bool,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

impl Default for ChaosArgs {
    fn default() -> Self {
        Self {
            pulls: 1000,
            seed: 1,
            scale: 20,
            at_once: 40,
            calm: false,
            dropped: 0.30,
            doubled: 0.20,
            pulls_per_kill: 20,
            withdrawing: 0.30,
            reporting: 0.10,
            erasing: 0.10,
            logs: false,
            bin_dir: None,
        }
    }
}

/// Options of `kills`, `withdraw` and `erase`.
#[derive(Debug, Clone, clap::Args)]
pub struct PointsArgs {
    /// Seed of ids and records.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Divides every duration, ours and the stand-in's.
    #[arg(long, default_value_t = 60)]
    pub scale: u32,
    /// Use only every n-th point, for a quick check.
    #[arg(long, default_value_t = 1)]
    pub every: u32,
    /// Number of sandboxes at once, each with one pull at a time.
    #[arg(long, default_value_t = 4)]
    pub at_once: u32,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// Options of `erase`.
#[derive(Debug, Clone, clap::Args)]
pub struct EraseArgs {
    /// The points.
    #[command(flatten)]
    pub points: PointsArgs,
    /// Instead of erasing at the points of a pull, kill a process at the points of an erasure after a pull.
    #[arg(long)]
    pub kills: bool,
}

impl PointsArgs {
    /// The sandbox of `chaos`, without faults.
    pub(crate) fn chaos_args(&self) -> ChaosArgs {
        ChaosArgs {
            seed: self.seed,
            scale: self.scale,
            calm: true,
            bin_dir: self.bin_dir.clone(),
            ..ChaosArgs::default()
        }
    }
}

/// Runs a proof to its end.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    run_to_end(async {
        match command {
            Command::Chaos(args) => chaos::chaos(&args).await,
            Command::Kills(args) => chaos::kills(&args).await,
            Command::Withdraw(args) => chaos::withdraw(&args).await,
            Command::Erase(args) => chaos::erase(&args).await,
            Command::Rotation(args) => chaos::rotation(&args).await,
            Command::Burst(args) => burst::command(&args).await,
            Command::Trial(args) => trial::command(&args).await,
            Command::Function { name } => Err(format!("{name} runs in its own process")),
        }
    })
}
