//! The usual way in Node: `@metriport/api-sdk` and the AWS SDK, bundled with esbuild.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bed::process::Program;
use crate::page::root;

/// Installs and bundles it; `None`, and a word, without npm.
pub fn bundle() -> Option<PathBuf> {
    let (source, place) = (
        root().join("tests/bench/yardsticks/node"),
        root().join("target/yardsticks/node"),
    );
    let bundled = install(&source, &place);
    if bundled.is_none() {
        tell("Node is left out: npm is missing, or does not install the packages");
    }
    bundled
}

fn install(source: &Path, place: &Path) -> Option<PathBuf> {
    std::fs::create_dir_all(place).ok()?;
    for file in ["package.json", "package-lock.json", "webhook.mjs", "runtime.mjs"] {
        std::fs::copy(source.join(file), place.join(file)).ok()?;
    }
    let npm = |arguments: &[&str]| {
        let done = Command::new("npm").args(arguments).current_dir(place).output();
        done.ok().filter(|done| done.status.success())
    };
    if !place.join("node_modules").is_dir() {
        npm(&["ci", "--no-audit", "--no-fund"])?;
    }
    npm(&["run", "bundle"])?;
    let bundle = place.join("bundle.cjs");
    bundle.is_file().then_some(bundle)
}

/// How the bundle is run: Node has the roots of the system compiled in, and takes others from a file.
pub fn program(bundle: &Path, root: &Path) -> Program {
    let mut program = Program::new("webhook-intake", Path::new("/usr/bin/env"));
    program.command.extend([PathBuf::from("node"), bundle.to_owned()]);
    program.with("NODE_EXTRA_CA_CERTS", root.display().to_string())
}

#[expect(clippy::print_stderr, reason = "the command's output")]
fn tell(what: &str) {
    eprintln!("{what}");
}
