//! `proofs trial`: repeats each finding of a security trial, and shows that the API now refuses it. It calls its own
//! sandbox, or one that runs elsewhere (`ias up --bind-demographics`). Both take tokens of the same issuer, whose
//! signing key is public.
//!
//! A request with a complete token is served before an incomplete token is tried. A refusal is then about the missing
//! part.

mod flood;
mod link;
mod target;
mod token;

use std::path::PathBuf;

use clap::Args;
use ias::report::say;
use sandbox_host::Runner;
use sandbox_machine::functions::runner;

use target::Target;

/// Options of `trial`.
#[derive(Debug, Clone, Args)]
pub struct TrialArgs {
    /// Base URL of a running sandbox (`ias up`); without it, the trial starts its own.
    #[arg(long, value_name = "URL", conflicts_with = "bin_dir")]
    pub against: Option<String>,
    /// Requests of each flood.
    #[arg(long, default_value_t = 1_500, value_parser = clap::value_parser!(u16).range(50..=10_000))]
    pub requests: u16,
    /// Links of each kind whose times are compared.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub links: u16,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// The size of a trial.
#[derive(Debug, Clone, Copy)]
pub struct TrialOptions {
    /// Requests of each flood.
    pub requests: usize,
    /// Links of each kind whose times are compared.
    pub links: usize,
}

/// One repeated finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its name.
    pub name: &'static str,
    /// The code of the expected refusal.
    pub code: &'static str,
    /// Whether the API refuses it.
    pub refused: bool,
    /// The observed replies.
    pub replies: String,
}

impl Finding {
    /// Its line in the output.
    #[must_use]
    pub fn line(&self) -> String {
        let verdict = if self.refused { "refused" } else { "NOT refused" };
        format!("  {verdict:<12} {:<22} {:<26} {}", self.name, self.code, self.replies)
    }
}

pub(crate) async fn command(args: &TrialArgs) -> Result<(), String> {
    let options = TrialOptions {
        requests: usize::from(args.requests),
        links: usize::from(args.links),
    };
    let findings = match &args.against {
        Some(url) => repeat(&Target::at(url)?, options).await?,
        None => trial(runner(args.bin_dir.clone())?, options).await?,
    };
    findings.iter().for_each(|finding| say(&finding.line()));
    let open = findings.iter().filter(|finding| !finding.refused).count();
    match open {
        0 => Ok(()),
        _ => Err(format!("{open} of {} findings were not refused", findings.len())),
    }
}

/// Repeats every finding over its own sandbox, whose deployment has every optional check on.
///
/// # Errors
/// Fails if the sandbox does not start, or if a step outside of the findings fails.
pub async fn trial(runner: Runner, options: TrialOptions) -> Result<Vec<Finding>, String> {
    let sandbox = target::start(runner).await?;
    let repeated = match Target::at(sandbox.host().base_url()) {
        Ok(target) => repeat(&target, options).await,
        Err(error) => Err(error),
    };
    let ended = sandbox.shutdown().await.map_err(|error| error.to_string());
    repeated.and_then(|findings| ended.map(|()| findings))
}

/// The floods come last: a flood that is not refused leaves less of the account's limits for the rest.
async fn repeat(target: &Target, options: TrialOptions) -> Result<Vec<Finding>, String> {
    let mut findings = token::findings(target).await?;
    findings.push(token::foreign_demographics(target).await?);
    findings.push(link::conflicts(target, options.links).await?);
    findings.push(flood::records(target, options.requests).await?);
    findings.push(flood::sessions(target, options.requests).await?);
    Ok(findings)
}
