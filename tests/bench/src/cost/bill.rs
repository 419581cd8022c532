//! Counts times prices.

use sandbox_aws::Service;

use super::prices::{self, AS_OF, Price};
use super::tally::Tally;
use super::template::Template;
use super::{API_REQUESTS, Counted};
use crate::Problem;
use crate::table::{Cell, Table};

const GB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Minutes of a month of 730 hours, as AWS reckons.
const MINUTES: f64 = 730.0 * 60.0;
/// Lambda asks a queue by five long polls at once, each of 20 s at most (docs.aws.amazon.com, Lambda developer
/// guide, "Using Lambda with Amazon SQS").
const POLLS_PER_MINUTE: f64 = 5.0 * 3.0;
/// Lines that Lambda itself writes about an invocation, `platform.start` and `platform.report` in JSON, which the
/// sandbox does not: about so many bytes (docs.aws.amazon.com, Lambda developer guide, "Lambda Telemetry API Event
/// schema reference").
const PLATFORM_BYTES: f64 = 700.0;
/// Messages are encrypted and decrypted under a data key that serves for five minutes (docs.aws.amazon.com, SQS
/// developer guide, "Key management"): pulls further apart need both for each message.
const KMS_PER_MESSAGE: f64 = 2.0;

const COLUMNS: [&str; 5] = ["what", "quantity", "$ each", "$", "price from"];

/// A row, and its dollars.
type Line = (Vec<Cell>, f64);

fn line(price: &Price, quantity: f64, times: f64) -> Line {
    let dollars = quantity * price.dollars * times;
    let each = Cell::Text(digits(price.dollars));
    let cells = vec![
        price.what.into(),
        quantity.into(),
        each,
        Cell::Text(format!("{dollars:.4}")),
        price.source.into(),
    ];
    (cells, dollars)
}

fn table(name: &'static str, caption: String, lines: Vec<Line>) -> Table {
    let total: f64 = lines.iter().map(|(_, dollars)| dollars).sum();
    let mut rows: Vec<_> = lines.into_iter().map(|(cells, _)| cells).collect();
    rows.push(vec![
        "**total**".into(),
        Cell::Nothing,
        Cell::Nothing,
        Cell::Text(format!("**{total:.4}**")),
        Cell::Nothing,
    ]);
    Table {
        name,
        caption,
        columns: COLUMNS.to_vec(),
        rows,
        breaches: Vec::new(),
    }
}

/// Dollars without the noise of binary fractions.
fn digits(dollars: f64) -> String {
    let digits = format!("{dollars:.10}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// The mean of several.
fn mean(tallies: &[Tally], of: impl Fn(&Tally) -> f64) -> f64 {
    tallies.iter().map(of).sum::<f64>() / count(tallies.len())
}

/// What all calls, invocations and lines of these come to, each as a mean.
fn usage(tallies: &[Tally], times: f64) -> Vec<Line> {
    let of = |service, of: fn(&str, &super::tally::Calls) -> f64| mean(tallies, |tally| tally.sum(service, of));
    let invocations = mean(tallies, |tally| large(tally.invocations));
    let sent = of(Service::Sqs, |operation, calls| {
        if operation == "SendMessage" {
            large(calls.count)
        } else {
            0.0
        }
    });
    let batches = of(Service::Sqs, |operation, calls| {
        if operation == "SendMessageBatch" {
            large(calls.count)
        } else {
            0.0
        }
    });
    let written = of(Service::S3, |operation, calls| {
        if operation == "GetObject" {
            0.0
        } else {
            large(calls.count)
        }
    });
    let logged = mean(tallies, |tally| large(tally.log_bytes)) + invocations * PLATFORM_BYTES;
    vec![
        line(&prices::LAMBDA_REQUEST, invocations, times),
        line(
            &prices::LAMBDA_GB_SECOND,
            mean(tallies, |tally| tally.gb_seconds),
            times,
        ),
        line(
            &prices::DYNAMODB_READ,
            of(Service::DynamoDb, |_, calls| calls.read_units),
            times,
        ),
        line(
            &prices::DYNAMODB_WRITE,
            of(Service::DynamoDb, |_, calls| calls.write_units),
            times,
        ),
        line(
            &prices::SQS_REQUEST,
            of(Service::Sqs, |_, calls| large(calls.chunks)),
            times,
        ),
        line(&prices::S3_WRITE, written, times),
        // Two messages in a batch: more are sent by no step of a pull.
        line(
            &prices::KMS_REQUEST,
            (sent + 2.0 * batches) * KMS_PER_MESSAGE + written,
            times,
        ),
        line(&prices::LOG_GB, logged / GB, times),
        line(&prices::TRACE, invocations, times),
    ]
}

/// A thousand pulls.
pub(super) fn of_pulls(counted: &Counted) -> Table {
    let pulls = &counted.pulls;
    let requests = mean(pulls, |tally| large(tally.webhooks + API_REQUESTS));
    let started = counted
        .starts
        .sum(Service::SecretsManager, |_, calls| large(calls.count));
    let mut lines = vec![line(&prices::API_REQUEST, requests, 1000.0)];
    lines.extend(usage(pulls, 1000.0));
    let read = |tally: &Tally| {
        tally.sum(Service::S3, |operation, calls| match operation {
            "GetObject" => large(calls.count),
            _ => 0.0,
        })
    };
    lines.push(line(&prices::S3_READ, mean(pulls, read), 1000.0));
    // At most: as if every function had to be started for every pull.
    lines.push(line(&prices::SECRET_CALL, started, 1000.0));
    lines.push(line(&prices::S3_GB, large(counted.record_bytes) / GB, 1000.0));
    table(
        "cost-pulls",
        format!(
            "Dollars for 1,000 pulls, by list prices of us-east-1 ({AS_OF}); the quantity is that of one pull. \
             Durations are those of the sandbox's processes on this machine, not of Lambda. Keys, traces and secrets \
             are upper bounds. The record ({} KB) is kept for one month.",
            counted.record_bytes / 1024
        ),
        lines,
    )
}

/// A thousand people who do nothing.
pub(super) fn of_people(counted: &Counted) -> Table {
    let gb = count(counted.size.bytes) / GB;
    let lines = vec![
        line(&prices::DYNAMODB_GB, gb, 1000.0),
        line(&prices::DYNAMODB_PITR_GB, gb, 1000.0),
        line(&prices::S3_GB, large(counted.record_bytes) / GB, 1000.0),
    ];
    table(
        "cost-people",
        format!(
            "Dollars a month for 1,000 idle people who have pulled once: {} items of {} bytes in all each, and one record. Nobody \
             who waits for nothing causes a call.",
            counted.size.items, counted.size.bytes
        ),
        lines,
    )
}

/// A month of a stack that nobody uses.
///
/// # Errors
/// When there are more resources than can be counted.
pub(super) fn of_the_stack(counted: &Counted, template: &Template) -> Result<Table, Problem> {
    let resources = |kind: &str| count(template.count(kind));
    let idle = counted.ticks.iter().flat_map(|tick| tick.metrics.keys());
    let idle: std::collections::BTreeSet<_> = idle.collect();
    let mut lines = vec![
        line(&prices::KMS_KEY, resources("AWS::KMS::Key"), 1.0),
        line(&prices::SECRET, resources("AWS::SecretsManager::Secret"), 1.0),
        line(&prices::ALARM_METRIC, count(template.alarm_metrics()), 1.0),
        line(&prices::DASHBOARD, resources("AWS::CloudWatch::Dashboard"), 1.0),
        line(&prices::METRIC, count(idle.len()), 1.0),
        line(
            &prices::SQS_REQUEST,
            count(template.polled_queues()) * POLLS_PER_MINUTE * MINUTES,
            1.0,
        ),
        line(&prices::SCHEDULED, MINUTES, 1.0),
    ];
    lines.extend(
        usage(&counted.ticks, MINUTES)
            .into_iter()
            .filter(|(_, dollars)| *dollars > 0.0),
    );
    let mut table = table(
        "cost-stack",
        format!(
            "Dollars a month for a stack that nobody uses, by list prices of us-east-1 ({AS_OF}). Resources are counted in the \
             templates; what the schedule causes is counted in the sandbox, and its quantity is that of one minute."
        ),
        lines,
    );
    let metrics: std::collections::BTreeSet<_> = counted.pulls.iter().flat_map(|pull| pull.metrics.keys()).collect();
    let metrics = metrics.len();
    table.caption.push_str(&format!(
        " Pulls cause {metrics} custom metrics more, at ${} each for a month in which every hour has some.",
        prices::METRIC.dollars
    ));
    Ok(table)
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
pub(super) const fn count(number: usize) -> f64 {
    number as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "numbers of bytes, far from what a float cannot hold"
)]
pub(super) const fn large(number: u64) -> f64 {
    number as f64
}
