//! Builds the measured programs: the functions, their floors, and the usual way. The makefile that builds a deployment
//! builds functions and floors; cargo alone builds the usual way. Each program is built separately, because cargo
//! unites the features of packages that are built together.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

pub use sandbox_machine::functions::FUNCTION_NAMES;

use crate::{Problem, root};

/// The locations of the programs. A program that is up to date is not built again.
pub struct Builds {
    target: PathBuf,
    profile: String,
}

impl Builds {
    /// The builds of this profile. They are in the target folder of this binary, which may be outside the project.
    pub fn of(profile: &str) -> Result<Self, Problem> {
        let own = env::current_exe()?;
        Ok(Self {
            target: own.ancestors().nth(2).ok_or("no target folder")?.to_owned(),
            profile: profile.to_owned(),
        })
    }

    /// A function's binary.
    pub fn function(&self, function: &str) -> PathBuf {
        self.folder(&self.target, function).join("bootstrap")
    }

    /// The binary of a function's floor.
    pub fn floor(&self, function: &str) -> PathBuf {
        self.folder(&self.yardsticks(), &floor_of(function)).join("bootstrap")
    }

    /// The binary of the usual way.
    pub fn usual(&self) -> PathBuf {
        self.yardsticks().join("usual/skeleton")
    }

    fn yardsticks(&self) -> PathBuf {
        self.target.join("yardsticks")
    }

    fn folder(&self, target: &Path, name: &str) -> PathBuf {
        target.join("deployed").join(&self.profile).join(name)
    }

    /// Builds functions and, on request, their floors.
    pub fn make(&self, functions: &[&str], with_floors: bool) -> Result<(), Problem> {
        succeed(Command::new(root().join(".ci/install")).arg("sam"))?;
        for function in functions {
            self.make_deployed(function, &format!("functions/{function}"), &self.target)?;
            if with_floors {
                self.make_deployed(&floor_of(function), "tests/bench/yardsticks/floor", &self.yardsticks())?;
            }
        }
        Ok(())
    }

    pub fn make_usual(&self) -> Result<(), Problem> {
        let mut cargo = Command::new("cargo");
        cargo
            .args("build --locked --quiet --profile usual --package skeleton --target-dir".split(' '))
            .arg(self.yardsticks())
            .current_dir(root().join("tests/bench/yardsticks"));
        succeed(&mut cargo)
    }

    /// Builds a binary of a package as functions are deployed, with the tools that `.ci/install` has installed.
    fn make_deployed(&self, name: &str, package: &str, target: &Path) -> Result<(), Problem> {
        let processor = env::consts::ARCH.replace("aarch64", "arm64");
        let path = env::var_os("PATH").unwrap_or_default();
        let path = [root().join("target/tools/sam/bin")]
            .into_iter()
            .chain(env::split_paths(&path));
        let mut make = Command::new("make");
        make.current_dir(root().join("infra/processor").join(processor))
            .args(["--silent", "--makefile", "../../../functions/Makefile"])
            .arg(format!("build-{name}Function"))
            .env("PATH", env::join_paths(path)?)
            .env("FUNCTIONS_PROFILE", &self.profile)
            .env("MANIFEST", root().join(package).join("Cargo.toml"))
            .env("ARTIFACTS_DIR", self.folder(target, name))
            .env("CARGO_TARGET_DIR", target);
        succeed(&mut make)
    }
}

fn succeed(command: &mut Command) -> Result<(), Problem> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("{} failed", command.get_program().display()).into()),
    }
}

/// Functions with the same clients have the same floor.
fn floor_of(function: &str) -> String {
    let same = match function {
        "aal2-challenge" => "identity-session",
        "reconcile" => "query-dispatch",
        "log-seal" | "account-work" => "record-fetch",
        other => other,
    };
    format!("floor-{same}")
}
