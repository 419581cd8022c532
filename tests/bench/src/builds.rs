//! The binaries that are measured, built first.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::Write;
use std::iter::once;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::Problem;
use crate::page::root;
pub use sandbox_machine::functions::NAMES as FUNCTIONS;

/// What an archive of one file adds to it: its headers (APPNOTE.TXT of PKWARE, 4.3).
const ZIP_HEADERS_BYTES: usize = 130;

/// What a binary is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As the functions are deployed, by their makefile.
    Deployed,
    /// What cargo builds for this machine, optimised for speed.
    Usual,
}

/// The yardsticks' profile of what is built the usual way.
const USUAL_PROFILE: &str = "usual";

/// Where the binaries are.
pub struct Builds {
    target_dir: PathBuf,
    profile: String,
}

impl Builds {
    /// Builds functions, and yardsticks that are built like them with the same profile; what is up to date stays as it
    /// is. Each is built by itself, as deployed functions are: the features of packages that are built together are
    /// united.
    ///
    /// # Errors
    /// When a build fails.
    pub fn make(profile: &str, functions: &[&str], yardsticks: &[(&str, Way)]) -> Result<Self, Problem> {
        let builds = Self {
            target_dir: target_dir()?,
            profile: profile.to_owned(),
        };
        let tools = Tools::install()?;
        for function in functions {
            let manifest = root().join("functions").join(function).join("Cargo.toml");
            tools.build(&builds.target_dir, &builds.function(function), &manifest, profile)?;
        }
        for (yardstick, way) in yardsticks {
            let package = if yardstick.starts_with("floor-") {
                "floor"
            } else {
                yardstick
            };
            let manifest = root().join("tests/bench/yardsticks").join(package).join("Cargo.toml");
            match way {
                Way::Deployed => {
                    tools.build(&builds.apart(), &builds.yardstick(*way, yardstick), &manifest, profile)?
                }
                Way::Usual => builds.build_usual(&manifest)?,
            }
        }
        Ok(builds)
    }

    /// All functions, with what they start beside.
    ///
    /// # Errors
    /// When a build fails.
    pub fn of_starts(profile: &str) -> Result<Self, Problem> {
        let usual = [("empty", Way::Usual), ("skeleton", Way::Usual)];
        let floors: BTreeSet<_> = FUNCTIONS.into_iter().map(floor_of).collect();
        let floors = floors.iter().map(|floor| (floor.as_str(), Way::Deployed));
        let yardsticks: Vec<_> = usual
            .into_iter()
            .chain([("empty", Way::Deployed)])
            .chain(floors)
            .collect();
        Self::make(profile, &FUNCTIONS, &yardsticks)
    }

    /// A function's binary.
    pub fn function(&self, name: &str) -> PathBuf {
        self.deployed(&self.target_dir, name)
    }

    /// The runtime alone.
    pub fn empty(&self, way: Way) -> PathBuf {
        self.yardstick(way, "empty")
    }

    /// The transfer of a record, of which nothing is read.
    pub fn copy(&self) -> PathBuf {
        self.yardstick(Way::Deployed, "copy")
    }

    /// The usual way.
    pub fn skeleton(&self) -> PathBuf {
        self.yardstick(Way::Usual, "skeleton")
    }

    /// The least that a function needs.
    pub fn floor(&self, function: &str) -> PathBuf {
        self.yardstick(Way::Deployed, &floor_of(function))
    }

    fn yardstick(&self, way: Way, name: &str) -> PathBuf {
        match way {
            Way::Deployed => self.deployed(&self.apart(), name),
            Way::Usual => self.apart().join(USUAL_PROFILE).join(name),
        }
    }

    /// The yardsticks' target folder.
    fn apart(&self) -> PathBuf {
        self.target_dir.join("yardsticks")
    }

    fn deployed(&self, target_dir: &Path, name: &str) -> PathBuf {
        let folder = target_dir.join("deployed").join(&self.profile).join(name);
        folder.join("bootstrap")
    }

    fn build_usual(&self, manifest: &Path) -> Result<(), Problem> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut build = Command::new(cargo);
        build
            .args([
                "build",
                "--locked",
                "--quiet",
                "--profile",
                USUAL_PROFILE,
                "--manifest-path",
            ])
            .arg(manifest)
            .arg("--target-dir")
            .arg(self.apart());
        succeed(build)
    }
}

/// What builds a deployment.
struct Tools {
    /// Where programs are looked for: where `.ci/install` put cargo-lambda, and wherever they are else.
    path: OsString,
}

impl Tools {
    fn install() -> Result<Self, Problem> {
        let mut install = Command::new(root().join(".ci/install"));
        install.arg("sam");
        succeed(install)?;
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = root().join("target/tools/sam/bin");
        let path = std::env::join_paths(once(own).chain(std::env::split_paths(&path)))?;
        Ok(Self { path })
    }

    /// Builds a binary like a function, with the functions' own rule, and puts it where it is wanted.
    fn build(&self, target_dir: &Path, binary: &Path, manifest: &Path, profile: &str) -> Result<(), Problem> {
        let folder = binary.parent().ok_or("no folder")?;
        let name = folder.file_name().and_then(OsStr::to_str).ok_or("no name")?;
        let mut make = Command::new("make");
        make.current_dir(root().join("infra/processor").join(processor()))
            .args(["--silent", "--makefile", "../../../functions/Makefile"])
            .arg(format!("build-{name}Function"))
            .env("PATH", &self.path)
            .env("FUNCTIONS_PROFILE", profile)
            .env("MANIFEST", manifest)
            .env("ARTIFACTS_DIR", folder)
            .env("CARGO_TARGET_DIR", target_dir);
        succeed(make)
    }
}

fn succeed(mut command: Command) -> Result<(), Problem> {
    if command.status()?.success() {
        Ok(())
    } else {
        Err("a binary that is measured cannot be built".into())
    }
}

/// The floor of a function: functions that need the same have the same.
fn floor_of(function: &str) -> String {
    let same = match function {
        "aal2-challenge" => "identity-session",
        "reconcile" => "query-dispatch",
        other => other,
    };
    format!("floor-{same}")
}

/// The processor of this machine, as Lambda names it.
const fn processor() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        std::env::consts::ARCH
    }
}

/// Beside this binary, which may have been built elsewhere than in the project.
fn target_dir() -> Result<PathBuf, Problem> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).ok_or("no target directory")?.to_owned())
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
