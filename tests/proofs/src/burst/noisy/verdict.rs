//! The figures of both rounds, their limits, and their printed form.

use std::collections::BTreeMap;
use std::time::Duration;

use ias::report::time;

use super::noise::NoiseFigures;
use super::reading::Reading;
use super::upstream::{Calls, DayCount};
use super::{NoisyOptions, NoisyReport};
use crate::asking::{Refusals, THROTTLED, listed};

/// The figures of one round.
#[derive(Debug, Clone, Default)]
pub struct RoundFigures {
    /// Persons who read their record.
    pub read: usize,
    /// Persons who did not read their record, counted by reason.
    pub failed: BTreeMap<String, usize>,
    /// From the beginning of the round to the last byte of a record.
    pub took: Duration,
    /// The time that half of the pulls do not exceed.
    pub p50: Duration,
    /// The time that 95 % of the pulls do not exceed.
    pub p95: Duration,
    /// Refusals of the persons who pulled.
    pub refusals: Refusals,
    /// The noisy person's requests.
    pub noise: NoiseFigures,
    /// Calls to Metriport about the noisy person.
    pub calls: Calls,
}

impl RoundFigures {
    pub(super) fn new(readings: Vec<Reading>, took: Duration, (noise, calls): (NoiseFigures, Calls)) -> Self {
        let mut times: Vec<Duration> = readings.iter().map(|reading| reading.took).collect();
        times.sort();
        let mut refusals = Refusals::new();
        for (code, count) in readings.iter().flat_map(|reading| &reading.refusals) {
            *refusals.entry(code.clone()).or_default() += count;
        }
        let mut failed = BTreeMap::new();
        for why in readings.iter().filter_map(|reading| reading.outcome.clone().err()) {
            *failed.entry(why).or_default() += 1;
        }
        Self {
            read: readings.iter().filter(|reading| reading.outcome.is_ok()).count(),
            failed,
            took,
            p50: percentile(&times, 50),
            p95: percentile(&times, 95),
            refusals,
            noise,
            calls,
        }
    }
}

/// The least of the sorted times that this percentage of them does not exceed.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100);
    times.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// All broken promises.
pub(super) fn breaches(quiet: &RoundFigures, noisy: &RoundFigures, day: DayCount, slack: Duration) -> Vec<String> {
    let unread = [("harmless requests", quiet), ("the noisy person", noisy)]
        .into_iter()
        .flat_map(|(beside, round)| round.failed.iter().map(move |failed| (beside, failed)))
        .map(|(beside, (why, count))| format!("{count} persons read no record beside {beside}: {why}"));
    let slow = (noisy.p95 > quiet.p95 * 3 / 2 + slack).then(|| {
        let (before, after) = (time(quiet.p95), time(noisy.p95));
        format!("p95 of a pull was {before}, but {after} beside the noisy person")
    });
    // API Gateway throttles all callers together; our functions cannot change that.
    let ours = noisy.refusals.iter().filter(|(code, _)| *code != THROTTLED);
    let refused = ours.filter_map(|(code, count)| {
        let before = quiet.refusals.get(code).copied().unwrap_or_default();
        (*count > before).then(|| {
            format!("other persons were refused {count} times with {code}, but only {before} times in the first round")
        })
    });
    let day = (day.counted != day.upstream).then(|| {
        let DayCount { counted, upstream } = day;
        format!("the day's count is {counted}, but Metriport saw {upstream} calls")
    });
    let idle = noisy
        .noise
        .served
        .is_empty()
        .then(|| "no request of the noisy person was served, so the round proves nothing".to_owned());
    unread.chain(slow).chain(refused).chain(day).chain(idle).collect()
}

pub(super) fn table(options: &NoisyOptions, report: &NoisyReport) -> String {
    let (quiet, noisy) = (&report.quiet, &report.noisy);
    let head = format!(
        "\n{} persons pull within {} s and read their records, seed {}, time scale {}. Another person sends {} \
         requests,\n{} % of the API's throttle: harmless ones in the first round, to every route in the second.\n",
        options.people, options.secs, options.seed, options.time_scale, noisy.noise.sent, options.throttle_percent
    );
    let per_sec = |round: &RoundFigures| format!("{:.2}", round.read as f64 / round.took.as_secs_f64().max(0.001));
    let served = |round: &RoundFigures| round.noise.served.values().sum::<u64>().to_string();
    let rows = [
        ("records read", quiet.read.to_string(), noisy.read.to_string()),
        ("pulls per second", per_sec(quiet), per_sec(noisy)),
        ("p50 of a pull", time(quiet.p50), time(noisy.p50)),
        ("p95 of a pull", time(quiet.p95), time(noisy.p95)),
        ("requests sent within", time(quiet.noise.took), time(noisy.noise.took)),
        ("requests served", served(quiet), served(noisy)),
    ];
    let rows = rows.map(|(name, quiet, noisy)| format!("  {name:<22} {quiet:>12} {noisy:>12}"));
    let heading = format!("  {:<22} {:>12} {:>12}", "beside", "harmless", "noisy");
    [head, heading]
        .into_iter()
        .chain(rows)
        .chain(details(report))
        .collect::<Vec<_>>()
        .join("\n")
}

fn details(report: &NoisyReport) -> Vec<String> {
    let (quiet, noisy) = (&report.quiet, &report.noisy);
    let routes = noisy
        .noise
        .served
        .iter()
        .map(|(route, count)| format!("{count} {route}"));
    let calls = noisy.calls.iter();
    let calls: Vec<_> = calls
        .map(|(operation, count)| format!("{count} {} {}", operation.method(), operation.route()))
        .collect();
    vec![
        format!(
            "\n  refusals of other persons: {}; in the first round: {}",
            listed(&noisy.refusals),
            listed(&quiet.refusals)
        ),
        format!("  refusals of the noisy person: {}", listed(&noisy.noise.refusals)),
        format!(
            "  served to the noisy person: {}",
            routes.collect::<Vec<_>>().join(", ")
        ),
        format!("  calls to Metriport for the noisy person: {}", calls.join(", ")),
        format!(
            "  the day's count: {}; calls that Metriport saw: {}",
            report.day.counted, report.day.upstream
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const EQUAL: DayCount = DayCount {
        counted: 9,
        upstream: 9,
    };

    fn round(p95_ms: u64, refusals: &[(&str, u64)]) -> RoundFigures {
        let noise = NoiseFigures {
            served: [("GET /v1/identity", 1)].into(),
            ..NoiseFigures::default()
        };
        RoundFigures {
            p95: Duration::from_millis(p95_ms),
            refusals: refusals
                .iter()
                .map(|(code, count)| ((*code).to_owned(), *count))
                .collect(),
            noise,
            ..RoundFigures::default()
        }
    }

    fn count(quiet: &RoundFigures, noisy: &RoundFigures, day: DayCount) -> usize {
        breaches(quiet, noisy, day, Duration::ZERO).len()
    }

    #[test]
    fn p95_covers_nineteen_of_twenty_times() {
        let times: Vec<Duration> = (1..=50).map(Duration::from_secs).collect();
        assert_eq!(percentile(&times, 95), Duration::from_secs(48));
        assert_eq!(percentile(&times, 50), Duration::from_secs(25));
        assert_eq!(percentile(&times[..6], 95), Duration::from_secs(6));
        assert_eq!(percentile(&[], 95), Duration::ZERO);
    }

    #[test]
    fn each_broken_promise_is_named() {
        let quiet = round(1_000, &[("patient_locked", 1)]);
        assert_eq!(
            count(&quiet, &round(1_500, &[("patient_locked", 1), (THROTTLED, 9)]), EQUAL),
            0
        );
        assert_eq!(count(&quiet, &round(1_501, &[]), EQUAL), 1);
        assert_eq!(count(&quiet, &round(1_000, &[("upstream_busy", 1)]), EQUAL), 1);
        assert_eq!(count(&quiet, &round(1_000, &[("patient_locked", 2)]), EQUAL), 1);
        let day = DayCount {
            counted: 10,
            upstream: 9,
        };
        assert_eq!(count(&quiet, &round(1_000, &[]), day), 1);
        let mut unread = round(1_000, &[]);
        unread.failed = [("failed expired".to_owned(), 3)].into();
        assert_eq!(count(&quiet, &unread, EQUAL), 1);
        assert_eq!(count(&quiet, &RoundFigures::default(), EQUAL), 1, "no noise was served");
        let slack = Duration::from_secs(1);
        assert!(breaches(&quiet, &round(2_500, &[]), EQUAL, slack).is_empty());
    }
}
