//! `ias`, the command of Individual Access.

use std::process::ExitCode;

use clap::Parser;
use ias::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        // The host starts each function in its own process, which is single-threaded as on Lambda.
        Command::Function { name } => sandbox_machine::functions::run(&name),
        command => ias::cli::run(command),
    }
}
