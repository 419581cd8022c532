//! The command `fuzz`: judges any number of inputs, for one entry or all.

use std::fmt::Write as _;
use std::process::ExitCode;

use clap::Parser;
use fuzz::entries;
use fuzz::run::{Tally, run};

/// Sends mutated inputs into every entry of the system, and judges the results.
#[derive(Parser)]
struct Options {
    /// Number of inputs for each entry.
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u64,
    /// Number of the first input. To repeat a finding alone, give its number and `--inputs 1`.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Judge only this entry.
    #[arg(long)]
    entry: Option<String>,
    /// Another seed gives other inputs.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let names = options.entry.clone().map_or_else(entries::names, |_| Vec::new());
    let numbers = options.from..options.from.saturating_add(options.inputs);
    let mut all_hold = true;
    for name in options.entry.as_deref().into_iter().chain(names) {
        let outcome = match entries::start(name) {
            Ok(mut entry) => run(entry.as_mut(), options.seed, numbers.clone()).map_err(|finding| finding.to_string()),
            Err(error) => Err(format!("{name} does not start: {error}")),
        };
        all_hold &= outcome.is_ok();
        print(&outcome.map_or_else(|finding| finding, |tally| line(name, &tally)));
    }
    if all_hold { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The report on one entry: the number of inputs, the time for each, and the classes, the most frequent first.
fn line(name: &str, tally: &Tally) -> String {
    let each = tally.elapsed.as_nanos() / u128::from(tally.inputs.max(1));
    let mut classes: Vec<_> = tally.classes.iter().collect();
    classes.sort_by_key(|(class, count)| (std::cmp::Reverse(**count), **class));
    let mut line = format!("{name}: {} inputs, {each} ns each", tally.inputs);
    for (class, count) in classes {
        // Writing into a `String` does not fail.
        write!(line, "; {class} {count}").ok();
    }
    line
}

#[expect(clippy::print_stdout, reason = "the command's result")]
fn print(line: &str) {
    println!("{line}");
}
