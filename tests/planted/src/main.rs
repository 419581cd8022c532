//! `cargo run -p planted`: applies each patch of `tests/planted/bugs` to a copy of the project, runs the tests, and
//! prints whether they caught it. A bug that the tests miss shows that a rule is not tested, even if a test has the
//! rule's name.
//!
//! A patch starts with three header lines: the rule that it breaks (`Rule:`), how (`Bug:`), and the likeliest tests
//! (`First:`). The likeliest tests run before all others.

mod bug;
mod project;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;

use bug::Bug;
use project::{Copy, Tests};

/// Plants known bugs and shows that the tests catch each.
#[derive(Debug, Parser)]
struct Args {
    /// Only check whether each patch still applies.
    #[arg(long)]
    check: bool,
    /// Plant only bugs whose file name contains this text.
    #[arg(long, value_name = "TEXT", default_value = "")]
    only: String,
    /// Build folder of the copy. It is kept, so that the next run is faster.
    #[arg(long, value_name = "DIR")]
    target: Option<PathBuf>,
}

enum Verdict {
    /// The patch applies. With `--check`, the tests do not run.
    Applies,
    /// These tests failed.
    Caught(String),
    /// Every test passed.
    Missed,
    /// The bug could not be planted.
    Broken(String),
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether the tests caught every bug; with `--check`, whether every patch applies.
fn run(args: &Args) -> Result<bool, String> {
    let root = project::root();
    let bugs = bug::all(&root, &args.only)?;
    let copy = Copy::of(&root, args.target.clone())?;
    let mut good = !bugs.is_empty();
    for bug in &bugs {
        let begun = Instant::now();
        let verdict = plant(&copy, bug, args.check);
        let took = begun.elapsed().as_secs();
        let (word, well) = match &verdict {
            Verdict::Applies => ("applies".to_owned(), true),
            Verdict::Caught(by) => (format!("caught by {by}"), true),
            Verdict::Missed => ("MISSED".to_owned(), false),
            Verdict::Broken(why) => (format!("NOT PLANTED: {why}"), false),
        };
        good &= well;
        say(&format!("{:<34} rule {:<3} {:>4} s  {word}", bug.name, bug.rule, took));
    }
    say(&format!("{} bugs", bugs.len()));
    Ok(good)
}

fn plant(copy: &Copy, bug: &Bug, check: bool) -> Verdict {
    if let Err(why) = copy.apply(bug) {
        return Verdict::Broken(why);
    }
    let verdict = if check { Verdict::Applies } else { test(copy, bug) };
    match copy.revert(bug) {
        Ok(()) => verdict,
        Err(why) => Verdict::Broken(why),
    }
}

fn test(copy: &Copy, bug: &Bug) -> Verdict {
    let stages = bug.first.iter().map(|first| first.as_str()).chain(["--workspace"]);
    for stage in stages {
        match copy.test(stage) {
            Tests::Passed => {}
            Tests::Failed(by) => return Verdict::Caught(by),
            Tests::NotBuilt(why) => return Verdict::Broken(why),
        }
    }
    Verdict::Missed
}

#[expect(clippy::print_stdout, reason = "the command's output")]
fn say(line: &str) {
    println!("{line}");
}
