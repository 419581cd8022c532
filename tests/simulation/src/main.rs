//! `simulation`: the simulation alone, without the sandbox, built in a fraction of the time. `ias simulate` is the
//! same.

use std::process::ExitCode;

use simulation::{Options, Outcome, explore_all, simulate};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        let value = at.and_then(|at| arguments.get(at + 1));
        value.and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    };
    let outcome = if arguments.iter().any(|argument| argument == "--exhaustive") {
        explore_all()
    } else {
        simulate(Options::new(number("--steps", 1_000_000), number("--seed", 1)))
            .outcome(arguments.iter().any(|argument| argument == "--trace"))
    };
    print(&outcome)
}

#[expect(clippy::print_stdout, reason = "the command's output")]
fn print(outcome: &Outcome) -> ExitCode {
    for line in &outcome.lines {
        println!("{line}");
    }
    if outcome.passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
