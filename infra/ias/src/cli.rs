//! The command line.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use sandbox_machine::privileges::effective_policies;
use sandbox_metriport::Persona;

use crate::account::{self, AccountArgs, TokenInput};
use crate::dead_letters::{self, DeadLettersArgs};
use crate::report::{say, say_error};
use crate::smoke::{self, SmokeArgs};
use crate::stand_in::{self, StandInArgs};
use crate::verify_log::{self, VerifyLogArgs};
use crate::verify_receipt::{self, VerifyReceiptArgs};
use crate::{explain, pull, up};

/// Individual Access: pull a person's own medical record on one machine, and operate a deployment.
#[derive(Debug, Parser)]
#[command(name = "ias", version, about)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything, play the app, the browser and the person, pull twice, and show the record.
    Pull(PullArgs),
    /// Start everything and leave it running for an app of your own.
    Up(UpArgs),
    /// Pull once over a deployed API, step by step, and show the record as a table.
    Smoke(SmokeArgs),
    /// Start only the stand-in for Metriport and an issuer of tokens, for a deployment that runs elsewhere.
    StandIn(StandInArgs),
    /// Explain in plain words what happened to a pull, from a running API.
    Explain(ExplainArgs),
    /// List the dead letters of a stack in AWS or of a running sandbox, or send them back.
    ///
    /// Reads AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN and AWS_ENDPOINT_URL_SQS.
    DeadLetters(DeadLettersArgs),
    /// Set up the account at Metriport and the secrets of a deployment, check them, and change their keys.
    ///
    /// Reads AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL_SECRETS_MANAGER
    /// and, for commands on persons, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_STS and AWS_ENDPOINT_URL_S3.
    Account(AccountArgs),
    /// Check an exported access log: find the first entry that was changed, dropped, inserted or reordered, a rewritten
    /// day, or a missing seal. Needs no network.
    VerifyLog(VerifyLogArgs),
    /// Check the receipt of an erasure, without a network.
    VerifyReceipt(VerifyReceiptArgs),
    /// Print the effective policies of the functions, as the sandbox enforces them, as JSON.
    #[command(hide = true)]
    Policies,
    /// Run one function in this process, as the host starts it.
    #[command(hide = true)]
    Function {
        /// Name of the function.
        name: String,
    },
}

/// Options of `pull`.
#[derive(Debug, Clone, clap::Args)]
pub struct PullArgs {
    /// A FHIR R4 Bundle that the networks hold, instead of a sample record.
    #[arg(long, value_name = "BUNDLE.json")]
    pub record: Option<PathBuf>,
    /// Keep the Patients of that Bundle. By default the person's own Patient replaces them, as at Metriport. Other
    /// Patients get the record quarantined, and the sandbox's operator releases it.
    #[arg(long, requires = "record")]
    pub keep_patients: bool,
    /// Write the pulled record to this file.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Persona of the person, which decides how the networks behave.
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
    /// Seed of ids and sample records.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Start functions from this folder (`<name>/bootstrap` or `<name>`) instead of from this binary.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// Options of `up`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpArgs {
    /// Port of the API on 127.0.0.1; a free port if not given.
    #[arg(long, default_value_t = 0)]
    pub port: u16,
    /// Keep tables, queues, objects, secrets and the stand-in's patients in this folder; in memory if not given.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// A web origin whose pages may call the API and read records, such as http://localhost:5173; may be given more
    /// than once. By default no origin may, as in the template.
    #[arg(long = "origin", value_name = "URL", value_parser = origin)]
    pub origins: Vec<String>,
    /// Admit more requests than the template's throttles admit, for a load test.
    #[arg(long)]
    pub no_throttle: bool,
    /// Let a person exceed their share of what all persons share, for a load test of one person.
    #[arg(long)]
    pub no_shares: bool,
    /// Accept only demographics that agree with the claims given_name, family_name and birthdate of the caller's token.
    #[arg(long)]
    pub bind_demographics: bool,
    /// A FHIR R4 Bundle that the networks hold, instead of a sample record.
    #[arg(long, value_name = "BUNDLE.json")]
    pub record: Option<PathBuf>,
    /// Keep the Patients of that Bundle. By default the person's own Patient replaces them, as at Metriport.
    #[arg(long, requires = "record")]
    pub keep_patients: bool,
    /// A URL of your app that hosted pages may return to; may be given more than once.
    #[arg(long = "redirect", value_name = "URL")]
    pub redirects: Vec<String>,
    /// Show the hosted pages, for a person with an authenticator app, instead of passing them at once.
    #[arg(long)]
    pub pages: bool,
    /// Print the logs of the functions.
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
    #[command(flatten)]
    pub token: TokenInput,
}

impl fmt::Debug for ExplainArgs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExplainArgs")
            .field("run", &self.run)
            .field("api", &self.api)
            .finish_non_exhaustive()
    }
}

/// Accepts an origin only as browsers write it in `Origin`, because no other form would ever match.
fn origin(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| error.to_string())?;
    let written = url.origin().ascii_serialization();
    match url.origin().is_tuple() && written == text {
        true => Ok(written),
        false if url.origin().is_tuple() => Err(format!("an origin has no path; write {written}")),
        false => Err("an origin is a scheme, a host and an optional port".to_owned()),
    }
}

fn persona(name: &str) -> Result<Persona, String> {
    name.parse().map_err(|_unknown| format!("expected one of {}", names()))
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
    run_to_end(async {
        match command {
            Command::Pull(args) => pull::pull(&args).await,
            Command::Up(args) => up::up(&args).await,
            Command::Smoke(args) => smoke::smoke(&args).await,
            Command::StandIn(args) => stand_in::stand_in(&args).await,
            Command::Explain(args) => explain::explain(&args).await,
            Command::Account(args) => account::account(&args).await,
            Command::DeadLetters(args) => dead_letters::dead_letters(&args).await,
            Command::VerifyLog(args) => verify_log::verify_log(&args),
            Command::VerifyReceipt(args) => verify_receipt::verify_receipt(&args),
            Command::Policies => policies(),
            Command::Function { name } => Err(format!("{name} runs in its own process")),
        }
    })
}

/// Runs a command's work on a multi-threaded runtime. If the work fails, prints the error and returns a failing exit
/// code.
pub fn run_to_end(work: impl Future<Output = Result<(), String>>) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = runtime
        .map_err(|error| error.to_string())
        .and_then(|runtime| runtime.block_on(work));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints the effective policies. A judge compares them with the policies that AWS's own template transform makes.
fn policies() -> Result<(), String> {
    let policies = effective_policies().map_err(|error| error.to_string())?;
    say(&policies.to_string());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_accepted_only_as_browsers_write_it() {
        for good in [
            "http://localhost:5173",
            "https://app.example.test",
            "http://127.0.0.1:3000",
        ] {
            assert_eq!(origin(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "*",
            "localhost:5173",
            "https://app.example.test/",
            "https://app.example.test/app",
            "https://APP.example.test",
            "https://app.example.test:443",
            "https://a@app.example.test",
            "file:///app",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
    }
}
