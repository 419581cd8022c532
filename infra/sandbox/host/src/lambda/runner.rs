//! Finds the executable of a function.

use std::io;
use std::path::PathBuf;

/// How processes of functions are started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runner {
    /// One executable holds every function: `exe args… <binary>`.
    SelfExec { exe: PathBuf, args: Vec<String> },
    /// One executable per function: `<dir>/<binary>/bootstrap`, the layout of cargo-lambda, or `<dir>/<binary>`.
    BinDir(PathBuf),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProgramLine {
    pub(crate) program: PathBuf,
    pub(crate) args: Vec<String>,
}

impl Runner {
    /// Finds the program of `binary`.
    ///
    /// # Errors
    /// `NotFound`, with the path, if the file does not exist.
    pub(crate) fn program_line(&self, binary: &str) -> io::Result<ProgramLine> {
        let line = match self {
            Self::SelfExec { exe, args } => {
                let args = args.iter().cloned().chain([binary.to_owned()]).collect();
                ProgramLine {
                    program: exe.clone(),
                    args,
                }
            }
            Self::BinDir(dir) => {
                let bootstrap = dir.join(binary).join("bootstrap");
                let program = if bootstrap.is_file() {
                    bootstrap
                } else {
                    dir.join(binary)
                };
                ProgramLine {
                    program,
                    args: Vec::new(),
                }
            }
        };
        match line.program.is_file() {
            true => Ok(line),
            false => Err(io::Error::new(
                io::ErrorKind::NotFound,
                line.program.display().to_string(),
            )),
        }
    }
}
