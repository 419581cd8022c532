//! `cargo run --profile release-lambda -p bench -- [cold|webhook|stream|pipeline|cost|touched|all]`: measures the
//! functions over the sandbox's servers. Yardsticks run in the same minutes on the same machine, for comparison.
//!
//! `--write` puts the tables into `docs/performance.md`.

mod builds;
mod cold;
mod cost;
mod person;
mod pipeline;
mod process;
mod relay;
mod stream;
mod table;
mod tls;
mod touched;
mod usage;
mod webhook;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use table::Table;

/// The measured part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// From the start of a process to its first reply.
    Cold,
    /// Processor time of `webhook-intake` for each event.
    Webhook,
    /// Records of 1 MB to 1 GB through `record-fetch`.
    Stream,
    /// Whole pulls per second.
    Pipeline,
    /// Price of a pull, of an idle person and of an idle stack.
    Cost,
    /// `ias account touched`, over a large access log.
    Touched,
    /// All of them, one after the other.
    All,
}

/// The benchmark of the functions.
#[derive(Debug, Parser)]
struct Args {
    /// The part to measure.
    #[arg(default_value = "all")]
    part: Part,
    /// The function in whose place the sandbox has started this process.
    #[arg(hide = true)]
    function: Option<String>,
    /// Number of measurements; the tables show medians.
    #[arg(long, default_value_t = 25)]
    runs: usize,
    /// Number of entries in the access log for the part `touched`.
    #[arg(long, default_value_t = 1_000_000)]
    entries: usize,
    /// Cargo profile of the measured binaries; use another one only for trials.
    #[arg(long, default_value = "release-lambda")]
    profile: String,
    /// File to which a process in the place of a function writes its measurements.
    #[arg(long, hide = true)]
    results: Option<PathBuf>,
    /// Write the tables into the documentation.
    #[arg(long)]
    write: bool,
}

/// Why a measurement failed, in words.
type Problem = Box<dyn std::error::Error + Send + Sync>;

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../.."].iter().collect()
}

async fn measure(args: &Args) -> Result<Vec<Table>, Problem> {
    let is_selected = |part: Part| args.part == part || args.part == Part::All;
    let mut tables = Vec::new();
    if is_selected(Part::Cold) {
        tables.push(cold::measure(args).await?);
    }
    if is_selected(Part::Webhook) {
        tables.push(webhook::measure(args).await?);
    }
    if is_selected(Part::Stream) {
        tables.push(stream::measure(args).await?);
    }
    if is_selected(Part::Pipeline) {
        tables.push(pipeline::measure(args.runs).await?);
    }
    if is_selected(Part::Cost) {
        tables.extend(cost::measure().await?);
    }
    if is_selected(Part::Touched) {
        tables.push(touched::measure(args.entries).await?);
    }
    Ok(tables)
}

/// Measures and prints; returns the figures that exceed their limits.
#[expect(clippy::print_stdout, reason = "the command's output")]
fn report(args: &Args) -> Result<Vec<String>, Problem> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let tables = runtime.block_on(measure(args))?;
    for table in &tables {
        println!("{table}");
    }
    if args.write {
        table::write(&tables)?;
    }
    Ok(tables.into_iter().flat_map(|table| table.missed).collect())
}

#[expect(clippy::print_stderr, reason = "the command's output")]
fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(function) = &args.function {
        return relay::serve(&args, function);
    }
    let missed = report(&args).unwrap_or_else(|problem| vec![problem.to_string()]);
    for figure in &missed {
        eprintln!("{figure}");
    }
    if missed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
