//! `cargo run --release -p proofs -- chaos|kills|burst|rotation|trial`: whole pulls over real processes, and a verdict.

use std::process::ExitCode;

use clap::Parser;
use proofs::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        // A function in its own process, started by the host and single-threaded as on Lambda.
        Command::Function { name } => sandbox_machine::functions::run(&name),
        command => proofs::cli::run(command),
    }
}
