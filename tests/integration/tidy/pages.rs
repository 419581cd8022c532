//! The tests, parameters and links that pages name must exist.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::{Tracked, assert_none, is_comment, tests_of, tracked};

fn page<'t>(files: &'t [Tracked], path: &str) -> &'t Tracked {
    files.iter().find(|file| file.path == path).expect(path)
}

fn names(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of a file's tests, as `cargo test` prints them, with the file's path as modules before them.
fn names_of_tests(file: &Tracked) -> Vec<String> {
    let path = file.path.trim_end_matches(".rs").trim_end_matches("/mod");
    let modules = path.replace('/', "::");
    let lines: Vec<(String, &str)> = file.lines().collect();
    let places: BTreeSet<String> = tests_of(file).into_iter().map(|(place, _)| place).collect();
    let mut names = Vec::new();
    let mut inner = String::new();
    for (place, line) in &lines {
        // A module of tests is at the end of its file, and never inside another module.
        if let Some(module) = line.strip_prefix("mod ").and_then(|rest| rest.strip_suffix(" {")) {
            inner = format!("::{module}");
        }
        if places.contains(place) && !is_comment(line) {
            let name = line.split_once("fn ").map_or("", |(_, rest)| rest);
            let name = name.split('(').next().unwrap_or_default();
            names.push(format!("{modules}{inner}::{name}"));
        }
    }
    names
}

#[test]
fn every_test_named_in_rules_and_trust_exists() {
    let files = tracked();
    if files.is_empty() {
        return;
    }
    let known: Vec<String> = files
        .iter()
        .filter(|file| file.is("rs"))
        .flat_map(names_of_tests)
        .collect();
    let lines = ["docs/rules.md", "docs/trust.md"].map(|path| page(&files, path).lines());
    // The subject of a row with tests is in bold type.
    let rows = lines.into_iter().flatten().filter(|(_, line)| line.starts_with("| **"));
    let (mut count, mut missing) = (0, Vec::new());
    for (place, row) in rows {
        let tests = row.trim_end_matches('|').rsplit('|').next().unwrap_or_default();
        for test in names(tests) {
            count += 1;
            let ending = format!("::{test}");
            if !known.iter().any(|name| name.ends_with(&ending)) {
                missing.push(format!("{place}: {test}"));
            }
        }
    }
    assert!(count > 20, "{count} tests are named");
    assert_none("tests that do not exist", &missing);
}

/// The parameters of the template that a page does not name.
fn unexplained<'t>(template: &'t str, page: &str) -> Vec<&'t str> {
    let explained: BTreeSet<&str> = names(page).collect();
    let parameters = template.lines().skip_while(|line| *line != "Parameters:").skip(1);
    let parameters = parameters.take_while(|line| line.is_empty() || line.starts_with([' ', '#']));
    parameters
        .filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'))
        .filter(|name| name.starts_with(char::is_alphabetic) && !explained.contains(name))
        .collect()
}

#[test]
fn every_parameter_of_the_template_is_explained() {
    let files = tracked();
    if files.is_empty() {
        return;
    }
    let template = &page(&files, "template.yaml").text;
    assert_eq!(
        unexplained(template, &page(&files, "docs/deploy.md").text),
        Vec::<&str>::new()
    );
    assert!(unexplained(template, "").len() > 20);
    assert!(unexplained(template, "`Stage`").len() < unexplained(template, "").len());
}

/// The anchor that a heading gets on GitHub.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
    text.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_'))
        .collect()
}

/// Whether the target of a link exists: its path, and its heading in that page.
fn leads_somewhere(files: &[Tracked], from: &str, link: &str) -> bool {
    let (path, heading) = link
        .split_once('#')
        .map_or((link, None), |(path, heading)| (path, Some(heading)));
    let mut target = Path::new(from).parent().unwrap_or(Path::new("")).to_owned();
    if path.is_empty() {
        target = PathBuf::from(from);
    }
    for part in Path::new(path).components() {
        match part {
            Component::ParentDir => drop(target.pop()),
            part => target.push(part),
        }
    }
    let target = target.to_string_lossy();
    let Some(page) = files.iter().find(|file| file.path == target) else {
        // The target can be a folder, or a file that is not UTF-8.
        let folder = format!("{}/", target.trim_end_matches('/'));
        return heading.is_none() && files.iter().any(|file| file.path.starts_with(&folder));
    };
    let headings = page.lines().filter(|(_, line)| line.starts_with('#'));
    heading.is_none_or(|heading| headings.map(|(_, line)| anchor(line)).any(|known| known == heading))
}

#[test]
fn every_link_of_a_page_has_a_target() {
    let files = tracked();
    let mut broken = Vec::new();
    for file in files.iter().filter(|file| file.is("md")) {
        for (place, line) in file.lines() {
            let links = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            let own = links.filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
            broken.extend(
                own.filter(|link| !leads_somewhere(&files, &file.path, link))
                    .map(|link| format!("{place}: {link}")),
            );
        }
    }
    assert_none("links that lead nowhere", &broken);
}

#[test]
fn link_to_a_missing_page_or_heading_is_noticed() {
    let files = [
        Tracked::new("docs/a.md", "# One: `two`\n"),
        Tracked::new("docs/sub/b.md", ""),
    ];
    for link in ["a.md", "a.md#one-two", "#one-two", "sub", "../docs/a.md", "sub/b.md"] {
        assert!(leads_somewhere(&files, "docs/a.md", link), "{link}");
    }
    for link in ["c.md", "a.md#three", "#three", "../a.md"] {
        assert!(!leads_somewhere(&files, "docs/a.md", link), "{link}");
    }
}
