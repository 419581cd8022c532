//! `proofs burst --noisy 1`: many persons pull and read their records while one person sends most of the requests that
//! the API admits. It shows that the noisy person neither delays the other persons nor causes refusals of their
//! requests. It also shows that the day's count in the table equals the calls that Metriport saw.
//!
//! The same persons pull in two rounds, and the noisy person sends equally many requests in each round. The requests of
//! the first round are harmless: they load the machine as much as the others, but use nothing that persons share. The
//! load is therefore not the cause of a difference between the rounds.

mod noise;
mod plan;
mod reading;
mod upstream;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use ias::report::{Progress, say};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sandbox_host::{LogSink, Runner};
use sandbox_machine::app::App;
use sandbox_machine::functions::runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{PerMinute, StandInOptions};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::cli::BurstArgs;
use crate::verified::{VerifiedPerson, demographics, gather};
use noise::{Noise, SUBJECT};
use plan::Route;
use reading::{Reading, read};
use upstream::{CallLog, DayCount};
pub use verdict::RoundFigures;

/// The pause before a round, before time is scaled: until every place of the rate budget is free.
const REST: Duration = Duration::from_secs(64);
/// How long a person waits for a pull, before time is scaled.
const PATIENCE: Duration = Duration::from_secs(240);
/// How long the queues may take to empty, before time is scaled.
const DRAIN: Duration = Duration::from_secs(60);
/// The lowest limit per minute of patient writes, of identity calls and of query starts.
const LIMIT_MIN: u32 = 15;
/// Metriport's daily quota in production, in calls.
const DAILY_QUOTA: u32 = 10_000;

/// The size of the proof.
#[derive(Debug, Clone, Copy)]
pub struct NoisyOptions {
    /// Persons who pull, besides the noisy one.
    pub people: usize,
    /// The length of a round in seconds, before time is scaled.
    pub secs: u32,
    /// The noisy person's requests, as a percentage of those that the API's throttle admits.
    pub throttle_percent: u64,
    /// How much faster time runs.
    pub time_scale: u32,
    /// Decides the noisy person's requests and when the others pull.
    pub seed: u64,
    /// Whether each person has a share, as in the template.
    pub person_shares: bool,
    /// How much the p95 of the noisy round may exceed one and a half times that of the quiet round.
    pub slack: Duration,
}

/// The result of the proof.
#[derive(Debug, Clone)]
pub struct NoisyReport {
    /// The round with harmless requests.
    pub quiet: RoundFigures,
    /// The round with the noisy person.
    pub noisy: RoundFigures,
    /// The day's calls.
    pub day: DayCount,
    /// Broken promises.
    pub breaches: Vec<String>,
}

pub(super) async fn command(args: &BurstArgs) -> Result<(), String> {
    let options = NoisyOptions {
        people: usize::from(args.people),
        secs: args.secs,
        throttle_percent: 80,
        time_scale: args.scale.unwrap_or(2).max(1),
        seed: args.seed,
        person_shares: !args.no_shares,
        slack: Duration::ZERO,
    };
    let report = noisy(runner(args.bin_dir.clone())?, options, Arc::new(|_| {})).await?;
    say(&verdict::table(&options, &report));
    match report.breaches.is_empty() {
        true => Ok(()),
        false => Err(report.breaches.join("\n       ")),
    }
}

/// Runs both rounds over their own sandbox.
///
/// # Errors
/// Fails if the sandbox does not start, if the persons cannot be verified, or if the day's count cannot be read.
pub async fn noisy(runner: Runner, options: NoisyOptions, log: LogSink) -> Result<NoisyReport, String> {
    let calls = Arc::new(CallLog::default());
    let mut sandbox = SandboxOptions::new(runner);
    sandbox.time_scale = options.time_scale;
    sandbox.schedule_scale = options.time_scale;
    sandbox.log = log;
    sandbox.person_shares = options.person_shares;
    sandbox.stand_in = stand_in(options);
    let watching: Arc<dyn sandbox_metriport::Interceptor> = calls.clone();
    sandbox.faults.upstream = Some(watching);
    let sandbox = Sandbox::start(sandbox).await.map_err(|error| error.to_string())?;
    let played = play(&sandbox, options, &calls).await;
    let ended = sandbox.shutdown().await.map_err(|error| error.to_string());
    played.and_then(|report| ended.map(|()| report))
}

/// The limits suffice for the other persons: two minutes allow twice as many calls as there are persons.
fn stand_in(options: NoisyOptions) -> StandInOptions {
    let people = u32::try_from(options.people).unwrap_or(u32::MAX);
    let limit = LIMIT_MIN.max(people.saturating_mul(6) / 5 + 10);
    StandInOptions {
        seed: options.seed,
        time_scale: options.time_scale,
        auto_approve: true,
        daily_quota: Some(DAILY_QUOTA),
        limits: PerMinute {
            patient: limit,
            identity: limit,
            query: limit,
            ..PerMinute::default()
        },
        ..StandInOptions::default()
    }
}

async fn play(sandbox: &Sandbox, options: NoisyOptions, calls: &CallLog) -> Result<NoisyReport, String> {
    let progress = Progress::new(false);
    let people = gather(sandbox, options.people, &progress, prepare).await?;
    let people: Vec<_> = people.into_iter().map(Arc::new).collect();
    let noise = Noise::prepare(sandbox, options.people, PATIENCE).await?;
    let throttle = sandbox.throttle().ok_or("the API has no throttle")?;
    let per_sec = (throttle.rate_per_sec * options.throttle_percent / 100).max(1);
    let span = Duration::from_secs(u64::from(options.secs)) / options.time_scale;
    let every = Duration::from_secs(1).div_f64(per_sec as f64);
    let requests = usize::try_from(span.as_millis() * u128::from(per_sec) / 1_000).unwrap_or(usize::MAX);
    progress.show("  first round: pulls beside harmless requests");
    let harmless = (plan::harmless(requests), every);
    let quiet = round(options, &people, (&noise, calls), harmless).await;
    progress.show("  second round: pulls beside the noisy person");
    let noisy = round(
        options,
        &people,
        (&noise, calls),
        (plan::noise(requests, options.seed), every),
    )
    .await;
    progress.clear();
    let day = DayCount::read(sandbox, calls, DRAIN / options.time_scale).await?;
    let breaches = verdict::breaches(&quiet, &noisy, day, options.slack);
    Ok(NoisyReport {
        quiet,
        noisy,
        day,
        breaches,
    })
}

async fn prepare(app: App, index: usize) -> Result<VerifiedPerson, String> {
    VerifiedPerson::verify(app, &demographics(index)).await
}

/// Every person pulls once while the noisy person's requests are sent.
async fn round(
    options: NoisyOptions,
    people: &[Arc<VerifiedPerson>],
    (noise, calls): (&Arc<Noise>, &CallLog),
    (plan, every): (Vec<Route>, Duration),
) -> RoundFigures {
    sleep(REST / options.time_scale).await;
    let (begun, since) = (Instant::now(), calls.len());
    let others = async {
        let readings = readings(options, people).await;
        (readings, begun.elapsed())
    };
    let ((readings, took), figures) = tokio::join!(others, noise.make(plan, every));
    RoundFigures::new(readings, took, (figures, calls.of(SUBJECT, since)))
}

/// The pulls of all persons, spread over the round.
async fn readings(options: NoisyOptions, people: &[Arc<VerifiedPerson>]) -> Vec<Reading> {
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    let span = Duration::from_secs(u64::from(options.secs)) / options.time_scale;
    let mut pulling = JoinSet::new();
    for (index, person) in people.iter().enumerate() {
        let place = (index as f64 + rng.random::<f64>()) / people.len() as f64;
        let (person, after) = (Arc::clone(person), span.mul_f64(place));
        pulling.spawn(async move {
            sleep(after).await;
            read(&person, PATIENCE / options.time_scale, options.time_scale).await
        });
    }
    pulling.join_all().await
}
