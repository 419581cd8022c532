//! `cargo run --profile release-lambda -p bench -- [cold|warm|stream|pipeline|cost|all]`: measures the functions,
//! always beside a yardstick that runs in the same minutes on the same machine, since absolute times say nothing
//! elsewhere.
//!
//! `--write` puts the tables into `docs/performance.md` and the plots into `docs/img`.

#![expect(
    clippy::indexing_slicing,
    reason = "only of JSON values, where a field that is missing reads as null"
)]

mod bed;
mod builds;
mod cold;
mod cost;
mod node;
mod page;
mod person;
mod pipeline;
mod spread;
mod stream;
mod table;
mod warm;

use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use builds::Builds;
use table::Table;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From the start of a process to its first reply.
    Cold,
    /// Event after event in one process.
    Warm,
    /// Records of 1 MB to 1 GB through the function that fetches them.
    Stream,
    /// Whole pulls per second.
    Pipeline,
    /// What a pull, an idle person and an idle stack cost.
    Cost,
    /// All of them, one after the other.
    All,
    /// One function in this process, as the sandbox starts it.
    #[value(hide = true)]
    Function,
}

/// The benchmark of the functions.
#[derive(Debug, Parser)]
struct Args {
    /// What to measure.
    #[arg(default_value = "all")]
    part: Part,
    /// Its name.
    #[arg(hide = true)]
    function: Option<String>,
    /// How often each thing is measured; the tables show medians.
    #[arg(long, default_value_t = 25)]
    runs: usize,
    /// What the measured binaries are built with; another one serves to try something out.
    #[arg(long, default_value = "release-lambda")]
    profile: String,
    /// Prints JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Writes the tables and plots into the documentation.
    #[arg(long)]
    write: bool,
}

/// What cannot be measured, in words.
type Problem = Box<dyn std::error::Error + Send + Sync>;

#[expect(clippy::print_stdout, reason = "the command's output")]
fn show(tables: &[Table], json: bool) -> Result<(), Problem> {
    if json {
        println!("{}", serde_json::to_string_pretty(tables)?);
    } else {
        for table in tables {
            println!("{table}");
        }
    }
    Ok(())
}

fn measure(args: &Args) -> Result<Vec<Table>, Problem> {
    let is_asked = |part: Part| args.part == part || args.part == Part::All;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut tables = Vec::new();
    if is_asked(Part::Cold) || is_asked(Part::Warm) {
        let builds = Builds::of_starts(&args.profile)?;
        if is_asked(Part::Cold) {
            tables.extend(runtime.block_on(cold::measure(&builds, args.runs, args.write))?);
        }
        if is_asked(Part::Warm) {
            tables.extend(runtime.block_on(warm::measure(&builds, args.runs))?);
        }
    }
    if is_asked(Part::Stream) {
        tables.extend(runtime.block_on(stream::measure(&args.profile, args.runs))?);
    }
    if is_asked(Part::Pipeline) {
        tables.extend(runtime.block_on(pipeline::measure(args.runs))?);
    }
    if is_asked(Part::Cost) {
        tables.extend(runtime.block_on(cost::measure(args.runs))?);
    }
    Ok(tables)
}

#[expect(clippy::print_stderr, reason = "the command's output")]
fn main() -> ExitCode {
    let args = Args::parse();
    if let (Part::Function, Some(name)) = (args.part, &args.function) {
        return sandbox_machine::functions::run(name);
    }
    let done = measure(&args).and_then(|tables| {
        show(&tables, args.json)?;
        if args.write {
            page::write(&tables)?;
        }
        Ok(tables
            .iter()
            .flat_map(|table| table.breaches.clone())
            .collect::<Vec<_>>())
    });
    match done {
        Ok(breaches) => {
            for breach in &breaches {
                eprintln!("misses its figure: {breach}");
            }
            if breaches.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}
