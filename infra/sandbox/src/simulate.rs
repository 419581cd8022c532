//! `ias simulate`: the simulation of the domain, which needs nothing of the sandbox.

use std::time::Instant;

use simulation::Options;

use crate::cli::SimulateArgs;
use crate::report::{say, time};

/// Runs it and prints what was found.
///
/// # Errors
/// When a rule is broken.
pub(crate) fn simulate(args: &SimulateArgs) -> Result<(), String> {
    let begun = Instant::now();
    let outcome = if args.exhaustive {
        simulation::explore_all()
    } else {
        simulation::simulate(Options::new(args.steps, args.seed)).outcome(args.trace)
    };
    outcome.lines.iter().for_each(|line| say(line));
    say(&format!("took {}", time(begun.elapsed())));
    if outcome.passed {
        Ok(())
    } else {
        Err("a rule is broken".to_owned())
    }
}
