//! `proofs rotation`: persons pull while Metriport makes new webhook keys and signs with them at once, and while API
//! keys are replaced. It shows three things:
//! - replays bring every webhook that was refused before the processes had read the new key
//! - the processes accept every later webhook
//! - the previous key is accepted until its end, and refused afterwards

mod operator;
mod verdict;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use ias::report::say;
use sandbox_machine::Sandbox;
use tokio::sync::watch;
use tokio::time::Instant;

use super::inject::FaultInjector;
use super::plan::Rates;
use super::pulled::Pull;
use super::report::Report;
use super::{drain, facts, options, persons, reference_persons, run_pulls};
use crate::cli::ChaosArgs;
use operator::Operator;
use verdict::Verdict;

/// Options of `rotation`.
#[derive(Debug, Clone, Args)]
pub struct RotationArgs {
    /// Minimum number of pulls; persons keep pulling while keys are changed.
    #[arg(long, default_value_t = 100)]
    pub pulls: u32,
    /// How often both keys are changed.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub rotations: u32,
    /// How long the previous webhook key still counts, in minutes before time is scaled.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(2..=60))]
    pub window_mins: u64,
    /// Seed of the persons.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Divides every duration, ours and the stand-in's.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=60))]
    pub scale: u32,
    /// Number of persons at once.
    #[arg(long, default_value_t = 8)]
    pub at_once: u32,
    /// Print the functions' logs.
    #[arg(long)]
    pub logs: bool,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

impl RotationArgs {
    /// The sandbox and persons of `chaos`, without faults.
    fn chaos_args(&self) -> ChaosArgs {
        ChaosArgs {
            pulls: self.pulls,
            seed: self.seed,
            scale: self.scale,
            at_once: self.at_once,
            calm: true,
            withdrawing: 0.0,
            reporting: 0.0,
            erasing: 0.0,
            logs: self.logs,
            bin_dir: self.bin_dir.clone(),
            ..ChaosArgs::default()
        }
    }
}

pub(crate) async fn rotation(args: &RotationArgs) -> Result<(), String> {
    let begun = Instant::now();
    let chaos_args = args.chaos_args();
    let injector = FaultInjector::new(args.seed, Rates::NO_FAULTS, args.scale);
    let mut options = options(&chaos_args, &injector)?;
    options.stand_in.clearing_makes_key = true;
    let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
    let outcome = tokio::select! {
        outcome = whole(args, &chaos_args, &sandbox, &injector) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    let ended = sandbox.shutdown().await.map_err(|error| error.to_string());
    let (report, verdict) = outcome?;
    ended?;
    for part in [vec![report.head(begun.elapsed())], verdict.lines(), report.pulls()] {
        part.iter().for_each(|line| say(line));
    }
    match report.breaches() + verdict.breaches() {
        0 => Ok(()),
        breaches => Err(format!("{breaches} promises were broken")),
    }
}

/// Persons first pull without a change of keys, to measure the usual cost. They then pull for as long as the operator
/// changes keys.
async fn whole(
    args: &RotationArgs,
    chaos_args: &ChaosArgs,
    sandbox: &Sandbox,
    injector: &Arc<FaultInjector>,
) -> Result<(Report, Verdict), String> {
    let reference = run_pulls(chaos_args, sandbox, injector, reference_persons()).await?;
    drain(chaos_args, sandbox).await?;
    let usual = facts::usual(&reference, &injector.calls());
    let (mut operator, (stop, is_stopped)) = (Operator::new(args, sandbox)?, watch::channel(false));
    let work = async {
        let changes = operator.change_keys(args.rotations).await;
        // Sent even after an error of the operator, so that the persons stop pulling.
        stop.send_replace(true);
        changes
    };
    let (pulled, changes) = tokio::join!(keep_pulling(chaos_args, sandbox, injector, &is_stopped), work);
    let (pulled, changes) = (pulled?, changes?);
    drain(chaos_args, sandbox).await?;
    let left = operator.until_replayed().await?;
    drain(chaos_args, sandbox).await?;
    let of_pulls = facts::of(sandbox, &pulled, &usual, (&injector.calls(), &[]));
    let all: Vec<Pull> = reference.into_iter().chain(pulled).collect();
    let strays = facts::strays(sandbox, &all).await?;
    let verdict = Verdict::new(sandbox.stand_in(), changes, left);
    Ok((
        Report::new(chaos_args, of_pulls, (strays, Default::default()), (&[], sandbox)),
        verdict,
    ))
}

/// Makes the requested pulls, and then more, a few at a time, until the keys are changed.
async fn keep_pulling(
    chaos_args: &ChaosArgs,
    sandbox: &Sandbox,
    injector: &FaultInjector,
    is_stopped: &watch::Receiver<bool>,
) -> Result<Vec<Pull>, String> {
    let mut pulled = run_pulls(chaos_args, sandbox, injector, persons(chaos_args)).await?;
    let mut batch = chaos_args.clone();
    while !*is_stopped.borrow() {
        batch.seed += 1;
        batch.pulls = 2 * chaos_args.at_once.max(1);
        pulled.extend(run_pulls(&batch, sandbox, injector, persons(&batch)).await?);
    }
    Ok(pulled)
}
