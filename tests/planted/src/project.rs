//! A copy of the project in which bugs are planted. The project itself is never touched.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::bug::Bug;

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The copy: every file that git tracks.
pub(crate) struct Copy {
    folder: TempDir,
    target: PathBuf,
}

pub(crate) enum Tests {
    Passed,
    Failed(String),
    /// The patched code does not compile, so the patch is not a realistic bug.
    NotBuilt(String),
}

impl Copy {
    pub(crate) fn of(root: &Path, target: Option<PathBuf>) -> Result<Self, String> {
        let target = target.unwrap_or_else(|| root.join("target/planted"));
        std::fs::create_dir_all(&target).map_err(|error| error.to_string())?;
        let target = target.canonicalize().map_err(|error| error.to_string())?;
        let folder = TempDir::with_prefix("planted-").map_err(|error| error.to_string())?;
        let listed = run(Command::new("git").args(["ls-files", "-z"]).current_dir(root))?;
        for path in String::from_utf8_lossy(&listed.stdout).split_terminator('\0') {
            let to = folder.path().join(path);
            let parent = to.parent().unwrap_or(folder.path());
            std::fs::create_dir_all(parent).map_err(|error| format!("{path}: {error}"))?;
            std::fs::copy(root.join(path), &to).map_err(|error| format!("{path}: {error}"))?;
        }
        Ok(Self { folder, target })
    }

    pub(crate) fn apply(&self, bug: &Bug) -> Result<(), String> {
        self.patch(bug, &[])
    }

    pub(crate) fn revert(&self, bug: &Bug) -> Result<(), String> {
        self.patch(bug, &["--reverse"])
    }

    fn patch(&self, bug: &Bug, more: &[&str]) -> Result<(), String> {
        let path = bug.path.canonicalize().map_err(|error| error.to_string())?;
        let mut git = Command::new("git");
        // The copy is not a repository, and git must not take it for a part of one.
        git.env("GIT_CEILING_DIRECTORIES", self.folder.path());
        git.current_dir(self.folder.path()).arg("apply").args(more).arg(path);
        run(&mut git).map(drop)
    }

    /// Runs `cargo test` with these arguments. Cargo stops after the first target with a failing test.
    pub(crate) fn test(&self, arguments: &str) -> Tests {
        let cargo = |more: &[&str]| {
            let mut cargo = Command::new("cargo");
            cargo
                .current_dir(self.folder.path())
                .env("CARGO_TARGET_DIR", &self.target);
            cargo
                .args(["test", "--locked", "--quiet"])
                .args(arguments.split_whitespace())
                .args(more);
            cargo.output()
        };
        match cargo(&["--no-run"]) {
            Ok(built) if built.status.success() => {}
            Ok(built) => return Tests::NotBuilt(first_error(&built)),
            Err(error) => return Tests::NotBuilt(error.to_string()),
        }
        match cargo(&[]) {
            Ok(tested) if tested.status.success() => Tests::Passed,
            Ok(tested) => Tests::Failed(failed(&tested)),
            Err(error) => Tests::NotBuilt(error.to_string()),
        }
    }
}

fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(output)
    } else {
        Err(String::from_utf8_lossy(&output.stderr)
            .lines()
            .take(3)
            .collect::<Vec<_>>()
            .join("; "))
    }
}

fn first_error(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    text.lines()
        .find(|line| line.starts_with("error"))
        .unwrap_or("it does not compile")
        .to_owned()
}

/// Names of the failed tests, as the test runner lists them at its end.
fn failed(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let listed = text.lines().skip_while(|line| *line != "failures:").skip(1);
    let mut names: Vec<_> = listed
        .filter_map(|line| line.strip_prefix("    "))
        .map(str::to_owned)
        .collect();
    names.retain(|name| name.contains(|c: char| c.is_ascii_alphabetic()) && !name.contains(' '));
    names.sort();
    names.dedup();
    if names.is_empty() {
        return "a test process that ended early".to_owned();
    }
    let more = names.len().saturating_sub(3);
    let shown = names.iter().take(3).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 {
        shown
    } else {
        format!("{shown} and {more} more")
    }
}
