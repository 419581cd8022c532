//! Every metric follows the specification of the embedded metric format, is listed in docs/operations.md, and passes
//! through Lambda unaltered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sandbox_host::cloudwatch;
use shared::clock;
use shared::domain::budget::Budget;
use shared::domain::patient::LinkConflict;
use shared::domain::pull::PullState;
use shared::domain::record::RecordState;
use shared::message::dead_letter::DeadLetterReason;
use shared::message::webhook::EventKind;
use shared::metrics::{KeysRead, Metric, Metrics, NAMESPACE, Name};
use shared::metriport::{Operation, UpstreamErrorKind};
use shared::webhook::SignatureError;

use crate::template::ROOT;

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

fn every() -> Vec<Metric> {
    let span = Duration::from_millis(1500);
    let each = vec![
        Metric::pull_started(),
        Metric::pull_ended(PullState::Unconfirmed),
        Metric::record_ended(RecordState::Empty),
        Metric::record_bytes(u64::MAX),
        Metric::record_different(),
        Metric::records_quarantined(),
        Metric::quarantines_active(2),
        Metric::quarantines_overdue(1),
        Metric::erasure_finished(span),
        Metric::erasures_late(1),
        Metric::webhook_accepted(EventKind::Consolidated),
        Metric::webhook_unbelieved(SignatureError::Mismatch),
        Metric::webhook_not_queued(),
        Metric::webhook_age(span),
        Metric::webhook_keys_refetched(KeysRead::Unmatched),
        Metric::link_refused(LinkConflict::PatientForeign),
        Metric::upstream_latency(Operation::ReadNetworkQuery, span),
        Metric::upstream_error(UpstreamErrorKind::NoTreatmentRelationship),
        Metric::budget_wait(Budget::ConsolidatedStarts, span),
        Metric::no_place(Budget::Identity),
        Metric::day_over(),
        Metric::share_refused("identity"),
        Metric::daily_quota_used(80),
        Metric::dead_letter(DeadLetterReason::NotRetryable("internal")),
        Metric::overdue_items(3),
        Metric::overdue_age(span),
        Metric::overdue_left(4),
        Metric::failed_deliveries(2),
        Metric::replays_requested(),
        Metric::replays_stalled(true),
        Metric::seal_age(span),
    ];
    let names: BTreeSet<_> = each.iter().map(Metric::name).collect();
    assert!(names.iter().eq(Name::ALL), "one is missing here");
    each
}

fn lines(metrics: &[Metric]) -> Vec<String> {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    Metrics::to("prod", move |line| sink.lock().unwrap().push(line.to_owned())).put(metrics);
    std::mem::take(&mut lines.lock().unwrap())
}

#[test]
fn every_metric_follows_the_specification() {
    let now_ms = clock::now().millis().unsigned_abs();
    let read = |line: &String| {
        cloudwatch::read(line, now_ms)
            .expect("a line with metrics")
            .expect("one that is well formed")
    };
    for metric in every() {
        let name = metric.name();
        assert_eq!(metric.detail().is_some(), name.dimension().is_some(), "{name:?}");
        let [line] = lines(&[metric]).try_into().expect("one line");
        let mut sets = vec![BTreeMap::from([("Stage".to_owned(), "prod".to_owned())])];
        if let Some((dimension, code)) = metric.detail() {
            assert_eq!(Some(dimension), name.dimension());
            let mut set = sets[0].clone();
            set.insert(dimension.to_owned(), code.to_owned());
            sets.push(set);
        }
        let data = read(&line);
        assert_eq!(
            data.iter().map(|datum| datum.dimensions.clone()).collect::<Vec<_>>(),
            sets
        );
        for datum in data {
            assert_eq!(
                (datum.namespace.as_str(), datum.name.as_str()),
                (NAMESPACE, name.as_str())
            );
            assert_eq!(
                (datum.unit.as_str(), datum.value),
                (name.unit().as_str(), metric.value() as f64)
            );
        }
    }
    // A call with several metrics writes all of them.
    let together: usize = lines(&every()).iter().map(|line| read(line).len()).sum();
    let alone: usize = every()
        .iter()
        .map(|metric| 1 + usize::from(metric.detail().is_some()))
        .sum();
    assert_eq!(together, alone);
}

/// Every detail is a code, so it cannot contain personal data.
#[test]
fn every_detail_of_a_metric_is_a_code() {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    let is_code = |code: &str| code.bytes().all(allowed);
    let details = every();
    let details = details.iter().filter_map(Metric::detail);
    let others: Vec<_> = details.filter(|(_, code)| !is_code(code)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Compares the table in docs/operations.md: name, unit and dimension of every metric.
#[test]
fn documented_metrics_are_the_written_ones() {
    let section = OPERATIONS.split("\n## Metrics").nth(1).expect("a section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let cells = |row: &str| {
        row.split('|')
            .map(|cell| cell.trim().replace('`', ""))
            .collect::<Vec<_>>()
    };
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(cells);
    let documented: Vec<_> = rows
        .map(|row| (row[1].clone(), row[2].clone(), row[3].clone()))
        .collect();
    let list = Name::ALL.iter().map(|name| {
        let dimension = name.dimension().unwrap_or("–").to_owned();
        (name.as_str().to_owned(), name.unit().as_str().to_owned(), dimension)
    });
    assert_eq!(documented, list.collect::<Vec<_>>());
}

/// Lambda treats lines without a level as `INFO` (docs.aws.amazon.com, Lambda Developer Guide, "Log-level filtering").
/// A function with a higher level would lose its metrics.
#[test]
fn lambda_does_not_filter_metrics() {
    let template = std::fs::read_to_string(format!("{ROOT}/template.yaml")).expect("the template");
    assert!(template.contains("LogFormat: JSON"));
    assert!(!template.contains("ApplicationLogLevel"));
}
