//! `cargo run --release -p simulation -- --steps N --seed N`: random histories of the functions' steps, or every
//! history of a small configuration.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use simulation::{Options, explore_all, simulate};

/// Runs the functions' own steps through random histories in virtual time, and checks the rules.
#[derive(Debug, Parser)]
#[command(name = "simulation", version)]
struct Args {
    /// Number of steps over all histories.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// Seed of the schedules.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Also print everything that follows the steps that break a rule.
    #[arg(long)]
    trace: bool,
    /// Visit every history of a small configuration instead.
    #[arg(long, conflicts_with_all = ["steps", "seed"])]
    exhaustive: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let begun = Instant::now();
    let outcome = if args.exhaustive {
        explore_all()
    } else {
        simulate(Options::new(args.steps, args.seed)).outcome(args.trace)
    };
    outcome.lines.iter().for_each(|line| say(line));
    say(&format!("took {:.2} s", begun.elapsed().as_secs_f64()));
    if outcome.passed {
        ExitCode::SUCCESS
    } else {
        complain("error: a rule is broken");
        ExitCode::FAILURE
    }
}

#[expect(clippy::print_stdout, reason = "the command's output")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "the command's output")]
fn complain(line: &str) {
    eprintln!("{line}");
}
