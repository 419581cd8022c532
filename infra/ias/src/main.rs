//! `ias`, the command of Individual Access.

use std::process::ExitCode;

use clap::Parser;
use ias::cli::{Cli, Command};

fn main() -> ExitCode {
    match Cli::parse().command {
        // A function of its own process, started by the host: single-threaded, as it is on Lambda.
        Command::Function { name } => sandbox_machine::functions::run(&name),
        command => ias::cli::run(command),
    }
}
