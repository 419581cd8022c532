//! For each function, the time from the start of a process to its first poll for an event and to its first reply. Two
//! yardsticks run for comparison: the usual way to write the function, and the floor, which only makes its clients.

use axum::body::Bytes;

use crate::builds::{Builds, FUNCTION_NAMES};
use crate::person::{DELAY_MS, Person, seal, tick, unlimited_options};
use crate::relay::{Kind, Measurement, Relay, Run};
use crate::table::{Spread, Table, number};
use crate::{Args, Part, Problem};

/// Maximum time to the first reply, relative to that of the usual way.
const FIRST_OF_USUAL_MAX: f64 = 0.5;
/// Maximum init time, relative to that of the floor.
const INIT_OF_FLOOR_MAX: f64 = 1.15;
/// Maximum resident memory at the first poll, in MiB.
const RESIDENT_MIB_MAX: f64 = 8.0;

/// The event with which a function is measured.
struct Measure {
    function: &'static str,
    /// Texts that, among the function's events, only this event contains.
    marks: &'static [&'static str],
    /// The services that the function calls for this event. The function may call a service several times; the usual
    /// way calls each service once.
    calls: &'static str,
}

const fn measure_by(function: &'static str, marks: &'static [&'static str], calls: &'static str) -> Measure {
    Measure { function, marks, calls }
}

const MEASURES: [Measure; 12] = [
    measure_by("identity-session", &["PUT /v1/patient"], "dynamodb upstream"),
    measure_by("webhook-intake", &["network-query."], "sqs"),
    measure_by("webhook-process", &["network-query."], "dynamodb sqs"),
    measure_by("aal2-challenge", &["POST /v1/aal2-challenges"], "dynamodb upstream"),
    measure_by("network-query", &["POST /v1/network-queries"], "dynamodb sqs"),
    // The first due work of a run is its start.
    measure_by(
        "query-dispatch",
        &[r#"\"run\":"#, r#"\"dueSeq\":1}"#],
        "dynamodb upstream",
    ),
    measure_by("record-fetch", &[], "dynamodb upstream s3 sqs"),
    measure_by("record-read", &["GET /v1/records/"], "dynamodb"),
    measure_by("account", &["PUT /v1/me/consent"], "dynamodb"),
    measure_by("account-work", &[], "dynamodb upstream s3"),
    measure_by("reconcile", &[], "dynamodb upstream"),
    measure_by("log-seal", &[], "s3"),
];

fn measure_of(function: &str) -> Option<&'static Measure> {
    MEASURES.iter().find(|measure| measure.function == function)
}

/// The services that a function calls for the event with which it is measured.
pub fn calls(function: &str) -> &'static str {
    measure_of(function).map_or("", |measure| measure.calls)
}

/// Whether a function is measured with this event.
pub fn is_measured(function: &str, event: &[u8]) -> bool {
    let event = String::from_utf8_lossy(event);
    measure_of(function).is_some_and(|measure| measure.marks.iter().all(|mark| event.contains(mark)))
}

/// Starts the function and its yardsticks with this event. A program that starts after another program finds colder
/// caches, so the order rotates with each event. An event that is not measured goes only to the function.
pub async fn relay(relay: &Relay, event: &Bytes) -> Result<Bytes, Problem> {
    if !is_measured(&relay.function, event) {
        return Ok(relay.run(Kind::Function, event).await?.1);
    }
    let mut kinds = [Kind::Function, Kind::Floor, Kind::Usual];
    kinds.rotate_left(relay.turn() % 3);
    let mut reply = Bytes::new();
    for kind in kinds {
        let (run, answer) = relay.run(kind, event).await?;
        relay.note(&run)?;
        if kind == Kind::Function {
            reply = answer;
        }
    }
    Ok(reply)
}

/// Measures pulls of one person after the other.
pub async fn measure(args: &Args) -> Result<Table, Problem> {
    let builds = Builds::of(&args.profile)?;
    builds.make(&FUNCTION_NAMES, true)?;
    builds.make_usual()?;
    let measurement = Measurement::start(Part::Cold, args, unlimited_options(DELAY_MS)?).await?;
    for number in 0..args.runs {
        let person = Person::ready(&measurement.sandbox, number).await?;
        person.pull().await?;
        person.erase().await?;
        tick(&measurement.sandbox).await?;
        seal(&measurement.sandbox).await?;
    }
    let runs: Vec<Run> = measurement.end().await?;
    table(&builds, &runs, args.runs)
}

fn table(builds: &Builds, runs: &[Run], pulls: usize) -> Result<Table, Problem> {
    let mut table = Table {
        name: "cold",
        caption: format!(
            "Milliseconds from the start of a process, medians over {pulls} pulls (smallest–largest); memory at the \
             first poll; processor time to the first reply."
        ),
        columns: "function | init | ÷ floor | first reply | usual way's first reply | ÷ usual way | resident, MiB | CPU, ms | binary, MB",
        ..Table::default()
    };
    for function in FUNCTION_NAMES {
        let spread = |kind: Kind, figure: fn(&Run) -> f64| {
            let runs = runs.iter().filter(|run| run.function == function && run.kind == kind);
            Spread::of(runs.map(figure)).map_err(|problem| format!("{function}: {problem}"))
        };
        let init = spread(Kind::Function, |run| run.init_ms)?;
        let first = spread(Kind::Function, |run| run.first_ms)?;
        let usual = spread(Kind::Usual, |run| run.first_ms)?;
        let of_floor = init.median / spread(Kind::Floor, |run| run.init_ms)?.median;
        let of_usual = first.median / usual.median;
        let resident_mib = spread(Kind::Function, |run| run.polled.resident_mib)?.median;
        let cpu_ms = spread(Kind::Function, |run| run.replied.cpu_us / 1e3)?.median;
        let binary_mb = std::fs::metadata(builds.function(function))?.len() as f64 / 1e6;
        table.hold(&format!("{function}, init ÷ floor"), of_floor, INIT_OF_FLOOR_MAX);
        table.hold(
            &format!("{function}, first reply ÷ usual way"),
            of_usual,
            FIRST_OF_USUAL_MAX,
        );
        table.hold(&format!("{function}, resident MiB"), resident_mib, RESIDENT_MIB_MAX);
        let [of_floor, of_usual] = [of_floor, of_usual].map(number);
        let sizes = [resident_mib, cpu_ms, binary_mb].map(number).join(" | ");
        table.rows.push(format!(
            "{function} | {init} | {of_floor} | {first} | {usual} | {of_usual} | {sizes}"
        ));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_has_one_measured_event() {
        assert!(FUNCTION_NAMES.iter().all(|function| measure_of(function).is_some()));
        let start = br#"{"Records":[{"body":"{\"version\":1,\"run\":\"r\",\"dueSeq\":1}"}]}"#;
        let later = br#"{"Records":[{"body":"{\"version\":1,\"run\":\"r\",\"dueSeq\":12}"}]}"#;
        assert!(is_measured("query-dispatch", start) && !is_measured("query-dispatch", later));
        assert!(is_measured("record-fetch", start) && !is_measured("webhook-intake", start));
    }
}
