//! `simulation`: the simulation alone, without the sandbox; builds in a fraction of the time. `ias simulate` is the same.

use std::process::ExitCode;

use simulation::{Bounds, Options, Outcome, explore, simulate};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |name: &str, otherwise: u64| {
        let at = arguments.iter().position(|argument| argument == name);
        let value = at.and_then(|at| arguments.get(at + 1));
        value.and_then(|value| value.parse().ok()).unwrap_or(otherwise)
    };
    let outcome = if arguments.iter().any(|argument| argument == "--exhaustive") {
        let bound = |name: &str, otherwise: u8| u8::try_from(number(name, u64::from(otherwise))).unwrap_or(otherwise);
        let default = Bounds::default();
        let bounds = Bounds {
            crashes: bound("--crashes", default.crashes),
            ambiguous: bound("--ambiguous", default.ambiguous),
            webhook_faults: bound("--webhook-faults", default.webhook_faults),
            clock: bound("--clock", default.clock),
            functions: usize::from(bound("--functions", 2)),
        };
        explore(bounds, None).outcome()
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
