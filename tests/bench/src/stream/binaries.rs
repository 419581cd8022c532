//! The binaries that are measured: built first, as they are deployed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Problem;
use crate::page::root;

/// Where the binaries are.
pub struct Binaries {
    /// The function that fetches.
    pub record_fetch: PathBuf,
    /// The function that shows.
    pub record_read: PathBuf,
    /// The yardstick: the same transfer, of which nothing is read.
    pub copy: PathBuf,
}

impl Binaries {
    /// Builds them with a profile; what is up to date stays as it is.
    ///
    /// # Errors
    /// When a build fails.
    pub fn make(profile: &str) -> Result<Self, Problem> {
        let own = std::env::current_exe()?;
        let target = own.ancestors().nth(2).ok_or("no target directory")?.to_owned();
        let yardsticks = target.join("yardsticks");
        let functions = ["-p", "record-fetch", "-p", "record-read"];
        build(profile, &root().join("Cargo.toml"), &target, &functions)?;
        build(
            profile,
            &root().join("tests/bench/yardsticks/Cargo.toml"),
            &yardsticks,
            &["-p", "copy"],
        )?;
        Ok(Self {
            record_fetch: target.join(profile).join("record-fetch"),
            record_read: target.join(profile).join("record-read"),
            copy: yardsticks.join(profile).join("copy"),
        })
    }
}

fn build(profile: &str, manifest: &Path, target: &Path, packages: &[&str]) -> Result<(), Problem> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let done = Command::new(cargo)
        .args(["build", "--locked", "--quiet", "--profile", profile, "--manifest-path"])
        .arg(manifest)
        .arg("--target-dir")
        .arg(target)
        .args(packages)
        .status()?;
    if done.success() {
        Ok(())
    } else {
        Err("a binary that is measured cannot be built".into())
    }
}
