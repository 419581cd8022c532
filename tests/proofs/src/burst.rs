//! `proofs burst`: many persons pull at the same moment. It shows that:
//! - Metriport's limits hold
//! - every accepted pull completes
//! - a refused person keeps their challenge and gets through later
//! - most of the usable slots are used
//!
//! Time runs faster for the functions and for the stand-in. Proofings and challenges come before the burst, so the
//! limits of their calls are lifted.

mod crowd;
mod noisy;

use std::collections::BTreeMap;
use std::time::Duration;

use ias::report::{Progress, say, time};
use sandbox_host::{LogSink, Runner};
use sandbox_machine::functions::runner;
use sandbox_machine::{Sandbox, SandboxOptions};
use sandbox_metriport::{Operation, PerMinute, StandInOptions};
use shared::clock;
use shared::domain::budget::Pace;
use shared::domain::{Time, Timing};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cli::BurstArgs;
use crowd::{Member, StartReply, gather};

pub use noisy::{NoisyOptions, NoisyReport, noisy};

/// The default speed of time.
const TIME_SCALE: u32 = 12;
/// A limit above the number of calls that the proof makes.
const UNLIMITED: u32 = 1_000_000;
/// Life of a hosted page and of an AAL2 session at the stand-in, in seconds before time is scaled. A refused person
/// pulls later with the same AAL2 session.
const CHALLENGE_SECS: u64 = 24 * 3600;
/// How long an accepted pull may take, before time is scaled: the life of its AAL2 session, and its work after the
/// start.
const PATIENCE: Duration = Duration::from_secs(900);
/// If persons are refused, at least this percentage of the slots within a session's life must be used.
const USED_PERCENT_MIN: usize = 80;

/// The size of a burst.
#[derive(Debug, Clone, Copy)]
pub struct BurstOptions {
    /// Persons who pull.
    pub people: usize,
    /// Network query starts a minute that Metriport allows.
    pub query_limit: u32,
    /// How much faster time runs.
    pub time_scale: u32,
}

/// One round: every remaining person asks at once.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// Persons who asked.
    pub persons: usize,
    /// Pulls that were accepted.
    pub accepted: usize,
    /// Pulls that were refused with 429.
    pub refused: usize,
    /// Accepted pulls that completed.
    pub completed: usize,
    /// Slots within the life of an AAL2 session.
    pub slots: usize,
    /// The longest `Retry-After` of a refusal, in seconds.
    pub retry_after_secs: u64,
    /// From the first request to the last completion.
    pub took: Duration,
}

/// The result of a burst.
#[derive(Debug, Clone, Default)]
pub struct BurstReport {
    /// The rounds until every person was served.
    pub rounds: Vec<Round>,
    /// Network queries started at Metriport.
    pub starts: u64,
    /// Calls that Metriport's limits refused.
    pub limited: u64,
    /// Broken promises.
    pub breaches: Vec<String>,
}

pub(crate) async fn command(args: &BurstArgs) -> Result<(), String> {
    if args.noisy > 0 {
        return noisy::command(args).await;
    }
    let options = BurstOptions {
        people: usize::from(args.people),
        query_limit: args.limit,
        time_scale: args.scale.unwrap_or(TIME_SCALE),
    };
    let report = burst(runner(args.bin_dir.clone())?, options, std::sync::Arc::new(|_| {})).await?;
    say(&table(&options, &report));
    match report.breaches.is_empty() {
        true => Ok(()),
        false => Err(report.breaches.join("\n       ")),
    }
}

/// Runs a burst over its own sandbox.
///
/// # Errors
/// Fails if the sandbox does not start, or if the persons cannot be verified.
pub async fn burst(runner: Runner, options: BurstOptions, log: LogSink) -> Result<BurstReport, String> {
    let mut sandbox = SandboxOptions::new(runner);
    sandbox.throttled = false;
    sandbox.time_scale = options.time_scale;
    sandbox.log = log;
    sandbox.stand_in = StandInOptions {
        time_scale: options.time_scale,
        auto_approve: true,
        aal2_ttl_secs: CHALLENGE_SECS,
        session_ttl_secs: CHALLENGE_SECS,
        limits: PerMinute {
            patient: UNLIMITED,
            identity: UNLIMITED,
            query: options.query_limit,
            ..PerMinute::default()
        },
        ..StandInOptions::default()
    };
    let sandbox = Sandbox::start(sandbox).await.map_err(|error| error.to_string())?;
    let played = play(&sandbox, options).await;
    let ended = sandbox.shutdown().await.map_err(|error| error.to_string());
    played.and_then(|report| ended.map(|()| report))
}

async fn play(sandbox: &Sandbox, options: BurstOptions) -> Result<BurstReport, String> {
    let progress = Progress::new(false);
    let mut waiting = gather(sandbox, options.people, &progress).await?;
    let mut report = BurstReport::default();
    let slots = slots(options);
    while !waiting.is_empty() {
        progress.show(&format!("  {} persons ask at once", waiting.len()));
        let persons = waiting.len();
        waiting = round(waiting, options, slots, &mut report).await;
        if waiting.len() == persons {
            report.breaches.push(format!("none of {persons} persons was accepted"));
            break;
        }
    }
    progress.clear();
    let stats = sandbox.stand_in().stats();
    report.starts = stats.calls(Operation::StartNetworkQuery);
    report.limited = stats.too_many_requests();
    if report.limited > 0 {
        let refused = report.limited;
        report
            .breaches
            .push(format!("Metriport's limits refused {refused} calls"));
    }
    let completed: usize = report.rounds.iter().map(|round| round.completed).sum();
    if usize::try_from(report.starts).is_ok_and(|starts| starts != completed) {
        report
            .breaches
            .push(format!("{} starts for {completed} pulls", report.starts));
    }
    Ok(report)
}

/// The slots within the life of an AAL2 session.
fn slots(options: BurstOptions) -> usize {
    let timing = Timing::scaled(options.time_scale);
    let pace = Pace::new(options.query_limit, timing);
    let slots = timing.aal2_session().as_millis() / pace.spacing().as_millis().max(1);
    usize::try_from(slots).unwrap_or(usize::MAX)
}

/// Lets every person ask at once, waits for the accepted pulls, and returns the persons who were refused.
async fn round(waiting: Vec<Member>, options: BurstOptions, slots: usize, report: &mut BurstReport) -> Vec<Member> {
    let begun = Instant::now();
    let mut round = Round {
        persons: waiting.len(),
        slots,
        ..Round::default()
    };
    let mut asking = JoinSet::new();
    for member in waiting {
        asking.spawn(async move { (member.ask().await, member) });
    }
    let (mut accepted, mut refused, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    while let Some(answer) = asking.join_next().await {
        match answer {
            Ok((StartReply::Accepted { pull, start_at }, member)) => {
                starts.extend(start_at);
                accepted.push((pull, member));
            }
            Ok((StartReply::Refused { retry_after_secs }, member)) => {
                round.retry_after_secs = round.retry_after_secs.max(retry_after_secs);
                refused.push((clock::now().plus(Duration::from_secs(retry_after_secs)), member));
            }
            Ok((StartReply::Unanswered, _)) => report.breaches.push("a request for a pull got no answer".to_owned()),
            Ok((StartReply::Otherwise(what), _)) => report.breaches.push(what),
            Err(error) => report.breaches.push(error.to_string()),
        }
    }
    round.refused = refused.len();
    if !refused.is_empty() && accepted.len() * 100 < slots * USED_PERCENT_MIN {
        report
            .breaches
            .push(format!("{} of {slots} slots were used", accepted.len()));
    }
    if let Some(breach) = crowded(&starts, options) {
        report.breaches.push(breach);
    }
    if let Some((again_at, member)) = refused.pop() {
        // One refused person retries when `Retry-After` allows, and must be accepted.
        tokio::time::sleep(clock::now().until(again_at)).await;
        match member.ask().await {
            StartReply::Accepted { pull, .. } => accepted.push((pull, member)),
            other => {
                report
                    .breaches
                    .push(format!("a request after Retry-After was not accepted: {other:?}"));
                refused.push((again_at, member));
            }
        }
    }
    round.accepted = accepted.len();
    let patience = PATIENCE / options.time_scale + Duration::from_secs(30);
    for (status, count) in endings(accepted, patience).await {
        match status.as_str() {
            "completed" => round.completed = count,
            other => report.breaches.push(format!("{count} accepted pulls: {other}")),
        }
    }
    round.took = begun.elapsed();
    report.rounds.push(round);
    refused.into_iter().map(|(_, member)| member).collect()
}

/// A breach if more starts are planned for one window than 90 % of the limit.
fn crowded(starts: &[Time], options: BurstOptions) -> Option<String> {
    let window = Duration::from_secs(60) / options.time_scale;
    let within = |from: Time| {
        starts
            .iter()
            .filter(|at| **at >= from && **at <= from.plus(window))
            .count()
    };
    let fullest = starts.iter().map(|start| within(*start)).max().unwrap_or(0);
    let usable = usize::try_from(options.query_limit * 9 / 10).unwrap_or(usize::MAX);
    (fullest > usable).then(|| format!("{fullest} starts are planned for one window; at most {usable} are allowed"))
}

/// Waits for the accepted pulls, and counts them by their ending.
async fn endings(mut open: Vec<(String, Member)>, patience: Duration) -> BTreeMap<String, usize> {
    let (until, mut ended) = (Instant::now() + patience, BTreeMap::new());
    while !open.is_empty() && Instant::now() < until {
        let mut still = Vec::new();
        for (pull, member) in open {
            match member.ending(&pull).await {
                Some(status) => *ended.entry(status).or_insert(0) += 1,
                None => still.push((pull, member)),
            }
        }
        open = still;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    if !open.is_empty() {
        ended.insert("not ended".to_owned(), open.len());
    }
    ended
}

fn table(options: &BurstOptions, report: &BurstReport) -> String {
    let head = format!(
        "\n{} persons pull at once; Metriport allows {} starts a minute; time runs {} times faster.\n\n  \
         round   asked  accepted   slots  completed  refused  Retry-After      took",
        options.people, options.query_limit, options.time_scale
    );
    let rows = report.rounds.iter().enumerate().map(|(index, round)| {
        let wait = match round.refused {
            0 => "-".to_owned(),
            _ => format!("{} s", round.retry_after_secs),
        };
        format!(
            "  {:>5} {:>7} {:>9} {:>7} {:>10} {:>8} {wait:>12} {:>9}",
            index + 1,
            round.persons,
            round.accepted,
            round.slots,
            round.completed,
            round.refused,
            time(round.took)
        )
    });
    let foot = format!(
        "\n  {} network queries started; Metriport's limits refused {} calls.",
        report.starts, report.limited
    );
    let mut lines = vec![head];
    lines.extend(rows);
    lines.push(foot);
    lines.join("\n")
}
