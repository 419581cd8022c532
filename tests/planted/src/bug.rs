//! The patches and their headers.

use std::path::{Path, PathBuf};

pub(crate) struct Bug {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// The number of the rule that it breaks.
    pub(crate) rule: String,
    /// Arguments of `cargo test` for the tests that most likely catch it, in order.
    pub(crate) first: Vec<String>,
}

/// Every patch whose name contains `only`, sorted by name.
pub(crate) fn all(root: &Path, only: &str) -> Result<Vec<Bug>, String> {
    let folder = root.join("tests/planted/bugs");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    paths.sort();
    let bugs: Result<Vec<_>, _> = paths.iter().map(|path| read(path)).collect();
    Ok(bugs?.into_iter().filter(|bug| bug.name.contains(only)).collect())
}

fn read(path: &Path) -> Result<Bug, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let value_of = |field: &str| {
        let mut lines = text.lines().take_while(|line| !line.starts_with("diff "));
        lines.find_map(|line| {
            line.strip_prefix(field)?
                .strip_prefix(':')
                .map(str::trim)
                .map(str::to_owned)
        })
    };
    let missing = |field: &str| format!("{name}: no line `{field}:`");
    value_of("Bug").ok_or_else(|| missing("Bug"))?;
    let rule = value_of("Rule").ok_or_else(|| missing("Rule"))?;
    let first = value_of("First").unwrap_or_default();
    Ok(Bug {
        path: path.to_owned(),
        rule,
        first: first
            .split(';')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect(),
        name,
    })
}
