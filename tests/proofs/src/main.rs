//! `cargo run --release -p proofs -- chaos|kills|withdraw|erase|burst|rotation|trial`: whole pulls over real
//! processes, and a verdict.

use std::process::ExitCode;

use clap::Parser;
use proofs::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        // The host starts each function in its own process, which is single-threaded as on Lambda.
        Command::Function { name } => sandbox_machine::functions::run(&name),
        command => proofs::cli::run(command),
    }
}
