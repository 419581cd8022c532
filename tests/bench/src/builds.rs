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

/// What a binary is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What the functions are deployed as: linked statically.
    Deployed,
    /// What cargo builds for this machine, optimised for speed.
    Usual,
}

/// The yardsticks' profile of what is built the usual way.
const USUAL_PROFILE: &str = "usual";

/// Where the binaries are.
pub struct Builds {
    target_dir: PathBuf,
    triple: String,
    profile: String,
}

impl Builds {
    /// Builds functions, and yardsticks that are built like them with the same profile; what is up to date stays as it
    /// is. Each yardstick is built by itself, since the features of packages that are built together are united.
    ///
    /// # Errors
    /// When a build fails.
    pub fn make(profile: &str, functions: &[&str], yardsticks: &[(&str, Way)]) -> Result<Self, Problem> {
        let builds = Self {
            target_dir: target_dir()?,
            triple: deployed_target()?,
            profile: profile.to_owned(),
        };
        add_target(&builds.triple);
        let packages = functions.iter().flat_map(|function| ["-p", function]);
        let functions = root().join("Cargo.toml");
        builds.build(&functions, &builds.target_dir, Way::Deployed, packages)?;
        let manifest = root().join("tests/bench/yardsticks/Cargo.toml");
        for (package, way) in yardsticks {
            builds.build(&manifest, &builds.apart(), *way, ["-p", package])?;
        }
        Ok(builds)
    }

    /// All functions, with what they start beside.
    ///
    /// # Errors
    /// When a build fails.
    pub fn of_starts(profile: &str) -> Result<Self, Problem> {
        let yardsticks = [
            ("empty", Way::Deployed),
            ("empty", Way::Usual),
            ("floor", Way::Deployed),
            ("skeleton", Way::Usual),
        ];
        Self::make(profile, &FUNCTIONS, &yardsticks)
    }

    /// A function's binary.
    pub fn function(&self, name: &str) -> PathBuf {
        self.binary(&self.target_dir, Way::Deployed, name)
    }

    /// The runtime alone.
    pub fn empty(&self, way: Way) -> PathBuf {
        self.binary(&self.apart(), way, "empty")
    }

    /// The transfer of a record, of which nothing is read.
    pub fn copy(&self) -> PathBuf {
        self.binary(&self.apart(), Way::Deployed, "copy")
    }

    /// The usual way.
    pub fn skeleton(&self) -> PathBuf {
        self.binary(&self.apart(), Way::Usual, "skeleton")
    }

    /// The least that a function needs.
    pub fn floor(&self, function: &str) -> PathBuf {
        let same = match function {
            "aal2-challenge" => "identity-session",
            "reconcile" => "query-dispatch",
            other => other,
        };
        self.binary(&self.apart(), Way::Deployed, &format!("floor-{same}"))
    }

    /// The yardsticks' target folder.
    fn apart(&self) -> PathBuf {
        self.target_dir.join("yardsticks")
    }

    fn binary(&self, target_dir: &Path, way: Way, name: &str) -> PathBuf {
        match way {
            Way::Deployed => target_dir.join(&self.triple).join(&self.profile).join(name),
            Way::Usual => target_dir.join(USUAL_PROFILE).join(name),
        }
    }

    fn build<'a>(
        &self,
        manifest: &Path,
        target_dir: &Path,
        way: Way,
        packages: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Problem> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let profile = match way {
            Way::Deployed => &self.profile,
            Way::Usual => USUAL_PROFILE,
        };
        let mut command = Command::new(cargo);
        command
            .args(["build", "--locked", "--quiet", "--profile", profile, "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(target_dir)
            .args(packages);
        if way == Way::Deployed {
            command.args(["--target", &self.triple]);
            // The C of cryptography calls no library, so the compiler of this machine will do.
            if std::env::var_os("TARGET_CC").is_none() {
                command.env("TARGET_CC", "cc");
            }
        }
        if command.status()?.success() {
            Ok(())
        } else {
            Err("a binary that is measured cannot be built".into())
        }
    }
}

/// Beside this binary, which may have been built elsewhere than in the project.
fn target_dir() -> Result<PathBuf, Problem> {
    let own = std::env::current_exe()?;
    Ok(own.ancestors().nth(2).ok_or("no target directory")?.to_owned())
}

/// The Rust target that is deployed on a processor like this one.
fn deployed_target() -> Result<String, Problem> {
    let architecture = match std::env::consts::ARCH {
        "aarch64" => "arm64",
        other => other,
    };
    let file = root().join("infra/processor").join(architecture).join("rust-target");
    let target = fs::read_to_string(file).map_err(|_none| format!("nothing is deployed on {architecture}"))?;
    Ok(target.trim().to_owned())
}

/// Without rustup, the compiler has the target or says that it is missing.
fn add_target(triple: &str) {
    Command::new("rustup").args(["target", "add", triple]).output().ok();
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
