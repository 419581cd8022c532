//! The binaries that are measured, built first.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::Problem;
use crate::page::root;
pub use ias::functions::NAMES as FUNCTIONS;

/// What an archive of one file adds to it: its headers (APPNOTE.TXT of PKWARE, 4.3).
const ZIP_HEADERS_BYTES: usize = 130;

/// Where the binaries are.
pub struct Builds {
    functions: PathBuf,
    yardsticks: PathBuf,
}

impl Builds {
    /// Builds functions and yardsticks with a profile; what is up to date stays as it is. Each yardstick is built by
    /// itself, since the features of packages that are built together are united.
    ///
    /// # Errors
    /// When a build fails.
    pub fn make(profile: &str, functions: &[&str], yardsticks: &[&str]) -> Result<Self, Problem> {
        let target = target()?;
        let packages = functions.iter().flat_map(|function| ["-p", function]);
        build(profile, &root().join("Cargo.toml"), &target, packages)?;
        let (manifest, apart) = (
            root().join("tests/bench/yardsticks/Cargo.toml"),
            target.join("yardsticks"),
        );
        for package in yardsticks {
            build(profile, &manifest, &apart, ["-p", package])?;
        }
        Ok(Self {
            functions: target.join(profile),
            yardsticks: apart.join(profile),
        })
    }

    /// All functions, with what they start beside.
    ///
    /// # Errors
    /// When a build fails.
    pub fn of_starts(profile: &str) -> Result<Self, Problem> {
        Self::make(profile, &FUNCTIONS, &["empty", "floor", "skeleton"])
    }

    /// A function's binary.
    pub fn function(&self, name: &str) -> PathBuf {
        self.functions.join(name)
    }

    /// The runtime alone.
    pub fn empty(&self) -> PathBuf {
        self.yardsticks.join("empty")
    }

    /// The transfer of a record, of which nothing is read.
    pub fn copy(&self) -> PathBuf {
        self.yardsticks.join("copy")
    }

    /// The usual way.
    pub fn skeleton(&self) -> PathBuf {
        self.yardsticks.join("skeleton")
    }

    /// The least that a function needs.
    pub fn floor(&self, function: &str) -> PathBuf {
        let same = match function {
            "aal2-challenge" => "identity-session",
            "reconcile" => "query-dispatch",
            other => other,
        };
        self.yardsticks.join(format!("floor-{same}"))
    }
}

/// Beside this binary, which may have been built elsewhere than in the project.
fn target() -> Result<PathBuf, Problem> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).ok_or("no target directory")?.to_owned())
}

fn build<'a>(
    profile: &str,
    manifest: &Path,
    target: &Path,
    packages: impl IntoIterator<Item = &'a str>,
) -> Result<(), Problem> {
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

/// Size of a file, and of an archive that holds it as Lambda gets it, in MB.
///
/// # Errors
/// When it cannot be read.
#[expect(clippy::cast_precision_loss, reason = "sizes of files")]
pub fn sizes_mb(file: &Path) -> Result<(f64, f64), Problem> {
    let bytes = fs::read(file)?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::default());
    packed.write_all(&bytes)?;
    let packed = packed.finish()?.len() + ZIP_HEADERS_BYTES;
    Ok((bytes.len() as f64 / 1e6, packed as f64 / 1e6))
}
