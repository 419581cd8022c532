//! Rules for the repository's own files, for which there are no lints. The tests look only at files that git tracks;
//! without git, they look at nothing.

mod names;
mod pages;
mod prose;

use std::path::Path;
use std::process::Command;

use crate::template::ROOT;

/// A file of the repository.
struct Tracked {
    path: String,
    text: String,
}

impl Tracked {
    fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    fn is(&self, extension: &str) -> bool {
        Path::new(&self.path).extension().is_some_and(|own| own == extension)
    }

    fn is_under(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(folder))
    }

    /// Lines with their places, `path:number`.
    fn lines(&self) -> impl Iterator<Item = (String, &str)> {
        let numbered = self.text.lines().enumerate();
        numbered.map(|(index, line)| (format!("{}:{}", self.path, index + 1), line))
    }
}

/// Every text file that git tracks; an empty list without git.
fn tracked() -> Vec<Tracked> {
    let listed = Command::new("git").args(["ls-files", "-z"]).current_dir(ROOT).output();
    let Some(listed) = listed.ok().filter(|listed| listed.status.success()) else {
        return Vec::new();
    };
    let paths = String::from_utf8(listed.stdout).unwrap();
    let paths = paths.split_terminator('\0').map(str::to_owned);
    // A file may be deleted and not yet committed, or may not be UTF-8.
    let read = |path: String| {
        let text = std::fs::read(Path::new(ROOT).join(&path))
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        text.map(|text| Tracked { path, text })
    };
    paths.filter_map(read).collect()
}

/// Every line of the chosen files that breaks a rule, with its place.
fn broken(files: impl Fn(&Tracked) -> bool, breaks: impl Fn(&str) -> bool) -> Vec<String> {
    let mut places = Vec::new();
    for file in tracked().iter().filter(|file| files(file)) {
        places.extend(
            file.lines()
                .filter(|(_, line)| breaks(line))
                .map(|(place, line)| format!("{place}: {line}")),
        );
    }
    places
}

fn assert_none(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

fn is_ident(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|character| !is_ident(character)).any(|part| part == word)
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

#[test]
fn files_do_not_name_folders_of_one_machine() {
    // The names are in halves, so that this file does not break its own rule.
    let folders = [["/wo", "rk/"], ["/ro", "ot/"], ["/ho", "me/"]].map(|halves| halves.concat());
    let breaks = |line: &str| folders.iter().any(|folder| line.contains(folder.as_str()));
    assert_none("paths of one machine", &broken(|_| true, breaks));
}

#[test]
fn files_do_not_contain_marks_of_unfinished_work() {
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]].map(|halves| halves.concat());
    let breaks = |line: &str| marks.iter().any(|mark| has_word(line, mark));
    assert_none("marks of unfinished work", &broken(|_| true, breaks));
    let macros = [["unimpl", "emented!"], ["to", "do!"]].map(|halves| halves.concat());
    let breaks = |line: &str| macros.iter().any(|name| line.contains(name.as_str()));
    assert_none("unfinished code", &broken(|file| file.is("rs"), breaks));
}

#[test]
fn lines_of_rust_have_at_most_120_columns() {
    // A line with a string in it may be longer, because a broken message or a broken sample of JSON is harder to read.
    let breaks = |line: &str| line.chars().count() > 120 && (is_comment(line) || !line.contains('"'));
    assert_none("long lines", &broken(|file| file.is("rs"), breaks));
}

/// The tests of a file: the place of each `fn`, and how many lines there are from it to its closing brace.
fn tests_of(file: &Tracked) -> Vec<(String, usize)> {
    let lines: Vec<(String, &str)> = file.lines().collect();
    let mut tests = Vec::new();
    for index in 0..lines.len() {
        let attribute = lines[index].1.trim_start();
        if !attribute.starts_with("#[test]") && !attribute.starts_with("#[tokio::test") {
            continue;
        }
        let is_head = |(_, line): &(String, &str)| has_word(line, "fn") && !is_comment(line);
        let Some((place, head)) = lines[index..].iter().find(|line| is_head(line)) else {
            continue;
        };
        let indentation = head.len() - head.trim_start().len();
        let end = format!("{:indentation$}}}", "");
        let body = lines[index..].iter().skip_while(|line| !is_head(line));
        let before_end = body.take_while(|(_, line)| *line != end).count();
        tests.push((place.clone(), before_end + 1));
    }
    tests
}

#[test]
fn tests_have_at_most_fifty_lines() {
    let files = tracked();
    let tests = files.iter().filter(|file| file.is("rs")).flat_map(tests_of);
    let long = tests.filter(|(_, lines)| *lines > 50);
    let places: Vec<String> = long.map(|(place, lines)| format!("{place}: {lines} lines")).collect();
    assert_none("long tests", &places);
}

#[test]
fn functions_and_tests_never_wait_by_the_clock() {
    let call = ["sle", "ep("].concat();
    let files = |file: &Tracked| {
        // The persons and the operator of the proofs wait as people do, and as `Retry-After` asks. `clock.rs` waits for
        // the one step whose refusal must take as long as its success.
        file.is("rs")
            && !file.is_under(&["tests/proofs/src/", "shared/src/clock.rs"])
            && (file.is_under(&["functions/", "shared/", "tests/"]) || file.path.contains("/tests/"))
    };
    let breaks = |line: &str| !is_comment(line) && line.contains(call.as_str());
    assert_none("sleeps in functions, shared code or tests", &broken(files, breaks));
}

/// The manifests of crates. Versions and lints are in the manifests of the two workspaces: the root's and the
/// yardsticks'.
fn crates() -> Vec<Tracked> {
    let is_crate = |file: &Tracked| file.path.ends_with("/Cargo.toml") && !file.text.contains("[workspace]\n");
    tracked().into_iter().filter(is_crate).collect()
}

/// The lines of a manifest that declare dependencies, and the heads of their sections, each with its place.
fn dependencies(manifest: &Tracked) -> Vec<(String, &str)> {
    let mut in_dependencies = false;
    let mut lines: Vec<(String, &str)> = manifest.lines().collect();
    lines.retain(|(_, line)| {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        }
        in_dependencies && !line.starts_with('#') && !line.is_empty()
    });
    lines
}

#[test]
fn versions_are_only_in_the_workspace() {
    let inherits = |line: &str| line.contains(".workspace = true") || line.contains("{ workspace = true");
    let mut places = Vec::new();
    for manifest in &crates() {
        let own = dependencies(manifest).into_iter();
        let own = own.filter(|(_, line)| line.contains('=') && !inherits(line));
        places.extend(own.map(|(place, line)| format!("{place}: {line}")));
    }
    assert_none("versions outside [workspace.dependencies]", &places);
}

/// The names in a line of a manifest: `a-b = { path = "c/d" }` has `a-b`, `path`, `c` and `d`.
fn names_in(line: &str) -> impl Iterator<Item = &str> {
    line.split(|character: char| !is_ident(character) && character != '-')
}

fn package(manifest: &Tracked) -> Option<&str> {
    let named = manifest.text.split_once("[package]\nname = \"")?.1;
    named.split('"').next()
}

/// The dependencies of a manifest on these packages, or on a path in this folder.
fn find_dependencies_on(manifest: &Tracked, packages: &[&str], folder: &str) -> Vec<String> {
    let path = format!("{folder}/");
    let named = |line: &str| names_in(line).any(|name| packages.contains(&name)) || line.contains(&path);
    let found = dependencies(manifest).into_iter().filter(|(_, line)| named(line));
    found.map(|(place, line)| format!("{place}: {line}")).collect()
}

/// `[workspace] members` is not a dependency. Neither is the target `integration` of `ias`, whose source is
/// `tests/integration`. It belongs to `ias`, because cargo builds the binary that a test starts only if the test is in
/// the binary's own package.
#[test]
fn crates_outside_tests_do_not_depend_on_tests() {
    let manifests: Vec<Tracked> = tracked()
        .into_iter()
        .filter(|file| file.path.ends_with("Cargo.toml"))
        .collect();
    let (inside, outside): (Vec<&Tracked>, Vec<&Tracked>) = manifests
        .iter()
        .partition(|manifest| manifest.path.starts_with("tests/"));
    let tests: Vec<&str> = inside.into_iter().filter_map(package).collect();
    let places = outside
        .iter()
        .flat_map(|manifest| find_dependencies_on(manifest, &tests, "tests"));
    assert_none("dependencies on tests", &places.collect::<Vec<_>>());
}

/// Several commands start the sandbox. The sandbox itself neither parses options nor is a command.
#[test]
fn sandbox_crates_do_not_depend_on_a_command() {
    let manifests = crates()
        .into_iter()
        .filter(|manifest| manifest.is_under(&["infra/sandbox/"]));
    let places = manifests.flat_map(|manifest| find_dependencies_on(&manifest, &["clap", "ias"], "infra/ias"));
    assert_none("commands in the sandbox", &places.collect::<Vec<_>>());
}

#[test]
fn dependency_is_found_in_every_form() {
    let manifest = |line: &str| {
        let package = "[package]\nname = \"own\"\ndescription = \"proofs\"";
        let text = format!("{package}\n\n{line}\n\n[[test]]\npath = \"tests/own.rs\"\n");
        Tracked::new("Cargo.toml", &text)
    };
    for found in [
        "[dependencies]\nproofs.workspace = true",
        "[dev-dependencies]\nother = { package = \"proofs\", workspace = true }",
        "[build-dependencies.proofs]\nworkspace = true",
        "[workspace.dependencies]\nother = { path = \"tests/other\" }",
    ] {
        assert_eq!(
            find_dependencies_on(&manifest(found), &["proofs"], "tests").len(),
            1,
            "{found}"
        );
    }
    for other in [
        "[dependencies]\nproofs-of-others.workspace = true",
        "[dependencies]\n# proofs\nown.workspace = true",
    ] {
        assert_eq!(
            find_dependencies_on(&manifest(other), &["proofs"], "tests"),
            Vec::<String>::new()
        );
    }
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let manifests = crates().into_iter();
    let without = manifests.filter(|manifest| !manifest.text.contains("[lints]\nworkspace = true\n"));
    assert_none(
        "crates without the lints",
        &without.map(|manifest| manifest.path).collect::<Vec<_>>(),
    );
}

#[test]
fn domain_does_not_import_adapters() {
    let files = |file: &Tracked| file.is("rs") && file.path.starts_with("shared/src/domain/");
    let leaves_the_domain = |line: &str| {
        let paths = line.split("crate::").skip(1);
        paths
            .into_iter()
            .any(|rest| !has_word(rest.split("::").next().unwrap_or_default(), "domain"))
    };
    let adapters = [
        "aws_", "reqwest", "lambda_", "tokio", "axum", "http::", "std::env", "std::fs", "std::net",
    ];
    let breaks = |line: &str| {
        !line.contains("//!")
            && !line.contains("///")
            && (leaves_the_domain(line) || adapters.iter().any(|name| line.contains(name)))
    };
    assert_none("adapters in the domain", &broken(files, breaks));
}

/// The rooms (top-level modules) of `shared/src`. A room may import the rooms before it in this list, but an adapter
/// may not import another adapter.
const ROOMS: [&str; 21] = [
    "domain",
    "idempotency",
    "message",
    "ports",
    "clock",
    "config",
    "roots",
    "deployment",
    "aws",
    "metrics",
    "telemetry",
    "owner",
    "allocator",
    "store",
    "queue",
    "metriport",
    "records",
    "webhook",
    "secrets",
    "seals",
    "edge",
];
const ADAPTERS: [&str; 7] = ["store", "queue", "metriport", "records", "webhook", "secrets", "seals"];

/// The room of a path in `shared/src`; `None` for `lib.rs`, which lists the rooms.
fn room(path: &str) -> Option<&str> {
    let inside = path.strip_prefix("shared/src/")?;
    let name = inside.split(['/', '.']).next()?;
    (name != "lib").then_some(name)
}

fn rank(room: &str) -> usize {
    let known = ROOMS.iter().position(|name| *name == room);
    known.unwrap_or_else(|| panic!("where does the room {room} of shared/src stand?"))
}

#[test]
fn imports_of_shared_run_downwards() {
    let mut upwards = Vec::new();
    for file in tracked().iter().filter(|file| file.is("rs")) {
        let Some(room) = room(&file.path).filter(|_| !file.path.ends_with("tests.rs")) else {
            continue;
        };
        // Tests may import modules that use the tested code.
        let code = file.lines().take_while(|(_, line)| *line != "#[cfg(test)]");
        for (place, line) in code.filter(|(_, line)| !is_comment(line)) {
            assert!(!line.contains("crate::{"), "{place}: one room an import");
            let named = line.split("crate::").skip(1);
            let named = named.filter_map(|rest| rest.split(|c| !is_ident(c)).next());
            let up = |other: &&str| {
                let beside = ADAPTERS.contains(&room) && ADAPTERS.contains(other);
                *other != room && ROOMS.contains(other) && (beside || rank(other) > rank(room))
            };
            upwards.extend(named.filter(up).map(|other| format!("{place}: {room} knows {other}")));
        }
    }
    assert_none("an import runs upwards", &upwards);
}

/// The simulation runs the functions' own steps. A step that was written again there would contain one of these calls,
/// which only steps make.
#[test]
fn simulation_does_not_contain_its_own_steps() {
    const OF_STEPS: [&str; 12] = [
        "claim_record(",
        "settle_record(",
        "announce_pull(",
        "announce_record(",
        "announce_change(",
        "announce_end(",
        "Pull::accept(",
        "Record::ask(",
        "PullWrite {",
        "RecordWrite {",
        ".session_for(",
        ".new_record(now",
    ];
    let copies = broken(
        // The simulation's rules may make these calls, because they replay the stored state.
        |file| {
            file.is("rs") && file.is_under(&["tests/simulation/src"]) && !file.is_under(&["tests/simulation/src/rules"])
        },
        |line| !is_comment(line) && OF_STEPS.iter().any(|call| line.contains(call)),
    );
    assert_none("a step of a function is written again", &copies);
}
