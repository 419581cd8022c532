//! `ias pull`: one person pulls their own record twice. The second pull uses the identity that the first one verified,
//! and needs only a fresh second factor.

mod pages;
mod person;
mod record_file;
mod release;
mod steps;

use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use sandbox_fhir::{Summary, summary};
use sandbox_machine::browser::Browser;
use sandbox_machine::functions::runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{StandInOptions, Wait};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cli::PullArgs;
use crate::report::{bytes, say, say_line, table, time};

pub(crate) use pages::{Pages, Returns};
pub(crate) use person::demographics;
pub(crate) use record_file::read_record;
pub(crate) use steps::{Fetched, Puller};

/// The subject of the token that `pull` and `up` use.
pub(crate) const SUBJECT: &str = "user-48213";

pub(crate) async fn pull(args: &PullArgs) -> Result<(), String> {
    let record = args.record.as_deref().map(read_record).transpose()?;
    let begun = Instant::now();
    let mut options = SandboxOptions::new(runner(args.bin_dir.clone())?);
    options.stand_in = StandInOptions {
        seed: args.seed,
        record,
        replace_patient: !args.keep_patients,
        ..StandInOptions::default()
    };
    let sandbox = Sandbox::start(options).await.map_err(|error| error.to_string())?;
    let up = begun.elapsed();
    let outcome = tokio::select! {
        outcome = twice(&sandbox, args, up) => outcome,
        _ = tokio::signal::ctrl_c() => Err("interrupted".to_owned()),
    };
    let ended = sandbox.shutdown().await.map_err(|error| error.to_string());
    // The shutdown's error comes first: it names calls that a policy refused, and such refusals cause the other
    // failures.
    ended.and(outcome)
}

async fn twice(sandbox: &Sandbox, args: &PullArgs, up: Duration) -> Result<(), String> {
    let app = sandbox.app(SUBJECT).map_err(|error| error.to_string())?;
    let browser = Browser::new().map_err(|error| error.to_string())?;
    let mut puller = Puller::new(app, Pages::Played(browser), Returns::default(), args.json);
    puller.head(&format!(
        "Sandbox up in {}: API at {}",
        time(up),
        sandbox.host().base_url()
    ));
    puller.head("First pull");
    puller.identity(&demographics(args.persona)).await?;
    let first = fetch(sandbox, &mut puller, args).await?;
    puller.head("Second pull: the identity is known, step 1 is skipped");
    let again = Instant::now();
    let second = fetch(sandbox, &mut puller, args).await?;
    let own = Duration::from_millis(sandbox.stand_in().configured_delay_ms(Wait::Pull));
    let pace = Pace {
        took: again.elapsed(),
        own,
    };
    show(args, &puller, [&first, &second], pace)
}

/// One pull. A record with its own Patients is quarantined, so the operator releases the record first.
async fn fetch(sandbox: &Sandbox, puller: &mut Puller, args: &PullArgs) -> Result<Fetched, String> {
    let out = args.out.as_deref();
    let fetched = puller.pull(out).await?;
    if fetched.record_status != "quarantined" || !args.keep_patients {
        return Ok(fetched);
    }
    release::release_records(sandbox).await?;
    puller.read_released(fetched, out).await
}

/// Duration of the second pull, and `own`, the stand-in's configured delay of an ordinary person's pull.
struct Pace {
    took: Duration,
    own: Duration,
}

impl Pace {
    fn ratio(&self) -> f64 {
        self.took.as_secs_f64() / self.own.as_secs_f64().max(f64::EPSILON)
    }
}

fn show(args: &PullArgs, puller: &Puller, pulls: [&Fetched; 2], pace: Pace) -> Result<(), String> {
    let [_, second] = pulls;
    let summary = match &second.file {
        Some(file) => Some(summarize(file.path())?),
        None => None,
    };
    if args.json {
        say(&report(args, puller, pulls, (&pace, summary.as_ref())).to_string());
        return Ok(());
    }
    match (&summary, &second.file) {
        (Some(summary), Some(file)) => {
            say("");
            say_line(&format!(
                "The record ({}, sha256 {})",
                bytes(second.bytes),
                second.sha256
            ));
            say(&table(summary));
            if let Some(out) = file.named_path() {
                say(&format!("  written to {}", out.display()));
            }
        }
        _ => say("\nThe networks hold nothing about this person: there is no record to write."),
    }
    let (took, own) = (time(pace.took), time(pace.own));
    say(&format!(
        "\nThe second pull took {took}, {:.2} times the {own} that the simulated networks take.",
        pace.ratio()
    ));
    Ok(())
}

fn report(args: &PullArgs, puller: &Puller, pulls: [&Fetched; 2], outcome: (&Pace, Option<&Summary>)) -> Value {
    let (pace, summary) = outcome;
    let pulls = pulls.map(|pull| json!({ "networkQuery": pull.query, "record": pull.record, "status": pull.status }));
    json!({
        "persona": args.persona.name(),
        "steps": puller.lines,
        "pulls": pulls,
        "pace": { "millis": pace.took.as_millis(), "ownMillis": pace.own.as_millis(), "ratio": pace.ratio() },
        "record": summary.map(|summary| json!({
            "resources": summary.by_type,
            "total": summary.total,
            "earliest": summary.earliest.map(|date| date.to_string()),
            "latest": summary.latest.map(|date| date.to_string()),
            "bySource": summary.by_source,
        })),
    })
}

pub(crate) fn summarize(path: &Path) -> Result<Summary, String> {
    let file = std::fs::File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
    summary(BufReader::new(file)).map_err(|error| format!("{}: {error}", path.display()))
}
