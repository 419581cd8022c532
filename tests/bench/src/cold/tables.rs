//! What was measured, side by side, and which figures it misses.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::run::Run;
use super::{Kind, Runs};
use crate::Problem;
use crate::builds::{Builds, FUNCTIONS, Way, sizes_mb};
use crate::spread::{Spread, quantile};
use crate::table::{Cell, Table};

/// First reply, of the usual way's.
const FIRST_OF_USUAL_MAX: f64 = 0.5;
/// Init, of the floor's.
const INIT_OF_FLOOR_MAX: f64 = 1.15;
/// Init of webhook-intake without its secret, of the empty binary's.
const INTAKE_OF_EMPTY_MAX: f64 = 2.0;
/// Resident at the first poll, in MiB.
const RESIDENT_MIB_MAX: f64 = 8.0;

/// All tables of this part.
pub fn all(builds: &Builds, free: &Runs, limited: &BTreeMap<u32, Runs>, runs: usize) -> Result<Vec<Table>, Problem> {
    let mut tables = vec![times(free, runs), sizes(builds, free)?];
    if !limited.is_empty() {
        tables.push(shares(limited, runs.div_ceil(5)));
    }
    Ok(tables)
}

fn values(runs: &Runs, function: &'static str, kind: Kind, of: impl Fn(&Run) -> f64) -> Vec<f64> {
    runs.get(&(function, kind)).into_iter().flatten().map(of).collect()
}

fn median(runs: &Runs, function: &'static str, kind: Kind, of: impl Fn(&Run) -> f64) -> Option<f64> {
    quantile(&values(runs, function, kind, of), 0.5)
}

/// A function's median by a yardstick's.
fn ratio(runs: &Runs, function: &'static str, kind: Kind, of: fn(&Run) -> f64) -> Option<f64> {
    Some(median(runs, function, Kind::Function, of)? / median(runs, function, kind, of)?)
}

fn cell(number: Option<f64>) -> Cell {
    number.map_or(Cell::Nothing, Cell::Number)
}

fn times(runs: &Runs, count: usize) -> Table {
    let mut breaches = Vec::new();
    let mut breach = |function: &str, what: &str, ratio: Option<f64>, max: f64| {
        if let Some(ratio) = ratio.filter(|ratio| *ratio > max) {
            breaches.push(format!(
                "{function}: {what} is {ratio:.2}, which is to be at most {max}"
            ));
        }
    };
    let mut rows = Vec::new();
    for function in FUNCTIONS {
        let spread = |kind, of: fn(&Run) -> f64| Cell::from(Spread::of(&values(runs, function, kind, of)));
        let init = ratio(runs, function, Kind::Floor, |run| run.init_ms);
        let alone = ratio(runs, function, Kind::Empty, |run| run.alone_ms);
        let first = ratio(runs, function, Kind::Usual, |run| run.first_ms);
        breach(function, "init ÷ floor", init, INIT_OF_FLOOR_MAX);
        breach(function, "first reply ÷ usual way", first, FIRST_OF_USUAL_MAX);
        if function == "webhook-intake" {
            breach(function, "init without secret ÷ empty", alone, INTAKE_OF_EMPTY_MAX);
        }
        rows.push(vec![
            function.into(),
            spread(Kind::Function, |run| run.init_ms),
            cell(init),
            spread(Kind::Function, |run| run.alone_ms),
            cell(alone),
            spread(Kind::Function, |run| run.first_ms),
            spread(Kind::Usual, |run| run.first_ms),
            cell(first),
        ]);
    }
    for (name, kind) in [
        ("(empty binary)", Kind::Empty),
        ("(empty, linked like a function)", Kind::EmptyDeployed),
        ("(the usual way)", Kind::Usual),
        ("(Node)", Kind::Node),
    ] {
        let spread = |of: fn(&Run) -> f64| Cell::from(Spread::of(&values(runs, "webhook-intake", kind, of)));
        let (init, alone, first) = (
            spread(|run| run.init_ms),
            spread(|run| run.alone_ms),
            spread(|run| run.first_ms),
        );
        rows.push(vec![
            name.into(),
            init,
            Cell::Nothing,
            alone,
            Cell::Nothing,
            first,
            Cell::Nothing,
            Cell::Nothing,
        ]);
    }
    Table {
        name: "cold",
        caption: format!(
            "Milliseconds from the start of a process, medians of {count} (smallest–largest). The last rows are in \
             the place of `webhook-intake`."
        ),
        columns: vec![
            "function",
            "init",
            "÷ floor",
            "init without secrets",
            "÷ empty",
            "first reply",
            "the usual way's",
            "÷ usual",
        ],
        rows,
        breaches,
    }
}

fn sizes(builds: &Builds, runs: &Runs) -> Result<Table, Problem> {
    let mut breaches = Vec::new();
    let mut rows = Vec::new();
    let functions = FUNCTIONS.map(|function| (function, function, Kind::Function, Some(builds.function(function))));
    let intake = "webhook-intake";
    let yardsticks = [
        (
            "(floor of webhook-intake)",
            intake,
            Kind::Floor,
            Some(builds.floor(intake)),
        ),
        (
            "(floor of identity-session)",
            "identity-session",
            Kind::Floor,
            Some(builds.floor("identity-session")),
        ),
        ("(empty binary)", intake, Kind::Empty, Some(builds.empty(Way::Usual))),
        (
            "(empty, linked like a function)",
            intake,
            Kind::EmptyDeployed,
            Some(builds.empty(Way::Deployed)),
        ),
        ("(the usual way)", intake, Kind::Usual, Some(builds.skeleton())),
        ("(Node)", intake, Kind::Node, None),
    ];
    for (name, function, kind, binary) in functions.into_iter().chain(yardsticks) {
        let of = |of: fn(&Run) -> f64| median(runs, function, kind, of);
        let resident = of(|run| run.polled.resident_kib / 1024.0);
        if let Some(resident) = resident.filter(|mib| kind == Kind::Function && *mib > RESIDENT_MIB_MAX) {
            breaches.push(format!(
                "{name}: {resident:.1} MiB resident, which is to be at most {RESIDENT_MIB_MAX}"
            ));
        }
        let (whole, packed) = sizes_of(binary)?;
        rows.push(vec![
            name.into(),
            cell(of(|run| run.polled.cpu_us / 1e3)),
            cell(of(|run| run.replied.cpu_us / 1e3)),
            cell(resident),
            cell(of(|run| run.replied.peak_kib / 1024.0)),
            cell(of(|run| run.polled.faults)),
            cell(of(|run| run.replied.faults)),
            cell(whole),
            cell(packed),
        ]);
    }
    Ok(Table {
        name: "cold-sizes",
        caption: "Processor time in milliseconds, memory in MiB, page faults, files in MB; medians of the same runs."
            .to_owned(),
        columns: vec![
            "function",
            "CPU of init",
            "CPU to first reply",
            "resident at first poll",
            "peak",
            "faults of init",
            "to first reply",
            "binary",
            "zip",
        ],
        rows,
        breaches,
    })
}

fn sizes_of(binary: Option<PathBuf>) -> Result<(Option<f64>, Option<f64>), Problem> {
    let Some(binary) = binary else { return Ok((None, None)) };
    let (whole, packed) = sizes_mb(&binary)?;
    Ok((Some(whole), Some(packed)))
}

fn shares(limited: &BTreeMap<u32, Runs>, count: usize) -> Table {
    let mut rows = Vec::new();
    for (memory_mb, runs) in limited {
        for function in FUNCTIONS {
            let spread = |kind, of: fn(&Run) -> f64| Cell::from(Spread::of(&values(runs, function, kind, of)));
            rows.push(vec![
                format!("{function}, {memory_mb} MB").as_str().into(),
                spread(Kind::Function, |run| run.init_ms),
                spread(Kind::Usual, |run| run.init_ms),
                spread(Kind::Function, |run| run.first_ms),
                spread(Kind::Usual, |run| run.first_ms),
                cell(ratio(runs, function, Kind::Usual, |run| run.first_ms)),
            ]);
        }
    }
    Table {
        name: "cold-limited",
        caption: format!(
            "The same with the share of a processor that comes with 128, 256 and 512 MB; milliseconds, medians of \
             {count}."
        ),
        columns: vec![
            "function",
            "init",
            "the usual way's",
            "first reply",
            "the usual way's",
            "÷ usual",
        ],
        rows,
        breaches: Vec::new(),
    }
}
