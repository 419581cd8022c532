//! The bills: counts times prices.

use std::collections::BTreeSet;

use sandbox_aws::Service::{DynamoDb, S3, SecretsManager, Sqs};
use sandbox_aws::Weight;

use super::prices::{self, AS_OF, Price};
use super::tally::Tally;
use super::{API_REQUESTS, Counted};
use crate::table::{Table, number};
use crate::{Problem, root};

const GB: f64 = 1024.0 * 1024.0 * 1024.0;
/// Minutes of AWS's month of 730 hours.
const MINUTES: f64 = 730.0 * 60.0;
/// Lambda polls a queue by five concurrent long polls, each of at most 20 s (docs.aws.amazon.com, Lambda developer
/// guide, "Using Lambda with Amazon SQS").
const POLLS_PER_MINUTE: f64 = 5.0 * 3.0;
/// Size of the two lines that Lambda itself logs for an invocation, `platform.start` and `platform.report` in JSON. The
/// source is docs.aws.amazon.com, Lambda developer guide, "Lambda Telemetry API Event schema reference".
const PLATFORM_BYTES: f64 = 700.0;
/// KMS requests of one message: SQS encrypts it and decrypts it under a data key. SQS reuses a data key for five
/// minutes (docs.aws.amazon.com, SQS developer guide, "Key management"). Pulls that are further apart need both
/// requests for each message.
const KMS_PER_MESSAGE: f64 = 2.0;

/// A price and the billed quantity.
type Line = (Price, f64);

fn bill(name: &'static str, caption: String, lines: &[Line]) -> Table {
    let row = |(price, quantity): &Line| {
        let dollars = quantity * price.dollars;
        format!("{} | {} | {dollars:.4}", price.what, number(*quantity))
    };
    let lines = lines.iter();
    let total: f64 = lines.clone().map(|(price, quantity)| quantity * price.dollars).sum();
    let total = format!("**total** |  | **{total:.4}**");
    Table {
        name,
        caption,
        columns: "what | quantity | $",
        rows: lines
            .filter(|(_, quantity)| *quantity > 0.0)
            .map(row)
            .chain([total])
            .collect(),
        ..Table::default()
    }
}

fn mean(tallies: &[Tally], figure: impl Fn(&Tally) -> f64) -> f64 {
    tallies.iter().map(figure).sum::<f64>() / tallies.len().max(1) as f64
}

/// The billed requests of one SQS call: one for each 64 KB.
fn requests(weight: &Weight) -> f64 {
    weight
        .request_bytes
        .max(weight.response_bytes)
        .div_ceil(64 * 1024)
        .max(1) as f64
}

/// The mean of the tallies, multiplied by `times`.
fn usage(tallies: &[Tally], times: f64) -> Vec<Line> {
    let mean = |figure: &dyn Fn(&Tally) -> f64| times * mean(tallies, figure);
    let count = |service, is_meant: fn(&str) -> bool| mean(&|tally| tally.sum(service, is_meant, |_| 1.0));
    let sum = |service, figure: fn(&Weight) -> f64| mean(&|tally| tally.sum(service, |_| true, figure));
    let invocations = mean(&|tally| tally.invocations);
    let written = count(S3, |name| name != "GetObject");
    // A batch counts as two messages, because the steps of a pull never send more at once.
    let messages = count(Sqs, |name| name == "SendMessage") + 2.0 * count(Sqs, |name| name == "SendMessageBatch");
    let log_bytes = mean(&|tally| tally.log_bytes as f64) + invocations * PLATFORM_BYTES;
    vec![
        (prices::LAMBDA_REQUEST, invocations),
        (prices::LAMBDA_GB_SECOND, mean(&|tally| tally.gb_seconds)),
        (prices::DYNAMODB_READ, sum(DynamoDb, |weight| weight.read_units)),
        (prices::DYNAMODB_WRITE, sum(DynamoDb, |weight| weight.write_units)),
        (prices::SQS_REQUEST, sum(Sqs, requests)),
        (prices::S3_WRITE, written),
        (prices::S3_READ, count(S3, |name| name == "GetObject")),
        (prices::KMS_REQUEST, messages * KMS_PER_MESSAGE + written),
        (prices::LOG_GB, log_bytes / GB),
        (prices::TRACE, invocations),
    ]
}

/// The bill of a thousand pulls.
pub fn of_pulls(counted: &Counted) -> Table {
    let requests = API_REQUESTS + mean(&counted.pulls, |tally| tally.webhooks);
    // An upper bound: it assumes that each pull starts a process of every function.
    let secrets = counted.starts.sum(SecretsManager, |_| true, |_| 1.0);
    let mut lines = vec![(prices::API_REQUEST, 1000.0 * requests)];
    lines.extend(usage(&counted.pulls, 1000.0));
    lines.push((prices::SECRET_CALL, 1000.0 * secrets));
    lines.push((prices::S3_GB, 1000.0 * counted.record_bytes / GB));
    let caption = format!(
        "Dollars for 1,000 pulls, by list prices of us-east-1 ({AS_OF}). The record ({:.0} KB) is kept for one month.",
        counted.record_bytes / 1024.0
    );
    bill("cost-pulls", caption, &lines)
}

/// The bill of an idle stack for a month.
pub fn of_the_stack(counted: &Counted) -> Result<Table, Problem> {
    let read = |path: &str| std::fs::read_to_string(root().join(path));
    let [template, alarms, dashboard] = [
        read("template.yaml")?,
        read("infra/alarms.yaml")?,
        read("infra/dashboard.yaml")?,
    ];
    let resources = |text: &str, line: &str| text.matches(line).count() as f64;
    let metrics = |tallies: &[Tally]| -> usize {
        let all = tallies.iter().flat_map(|tally| &tally.metrics);
        all.collect::<BTreeSet<_>>().len()
    };
    let polls = resources(&template, "Type: SQS\n") * POLLS_PER_MINUTE * MINUTES;
    let mut lines = vec![
        (prices::KMS_KEY, resources(&template, "Type: AWS::KMS::Key\n")),
        (
            prices::SECRET,
            resources(&template, "Type: AWS::SecretsManager::Secret\n"),
        ),
        // Each alarm names the one metric that it watches.
        (prices::ALARM_METRIC, resources(&alarms, " MetricName: ")),
        (
            prices::DASHBOARD,
            resources(&dashboard, "Type: AWS::CloudWatch::Dashboard\n"),
        ),
        (prices::METRIC, metrics(&counted.ticks) as f64),
        (prices::SQS_REQUEST, polls),
        (prices::SCHEDULED, MINUTES),
    ];
    lines.extend(usage(&counted.ticks, MINUTES));
    let (items, bytes) = counted.size;
    let per_gb = prices::DYNAMODB_GB.dollars + prices::DYNAMODB_PITR_GB.dollars;
    let idle = 1000.0 * (bytes as f64 * per_gb + counted.record_bytes * prices::S3_GB.dollars) / GB;
    let caption = format!(
        "Dollars a month for an unused stack. Pulls add {} custom metrics, at ${} each. A thousand idle \
         people who have pulled once, each with {items} items ({} bytes) and one record, add ${idle:.4}.",
        metrics(&counted.pulls),
        prices::METRIC.dollars,
        number(bytes as f64)
    );
    Ok(bill("cost-stack", caption, &lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bill_adds_up() {
        let lines = [
            (prices::KMS_KEY, 2.0),
            (prices::METRIC, 0.0),
            (prices::SECRET_CALL, 1000.0),
        ];
        let rows = bill("pulls", String::new(), &lines).rows;
        let total = "**total** |  | **2.0050**";
        assert_eq!(
            rows,
            [
                "KMS keys | 2.00 | 2.0000",
                "Secrets Manager calls | 1,000 | 0.0050",
                total
            ]
        );
    }

    #[test]
    fn usage_is_the_mean_of_the_tallies() {
        let tally = |invocations| Tally {
            invocations,
            ..Tally::default()
        };
        let lines = usage(&[tally(1.0), tally(3.0)], 1000.0);
        assert_eq!(lines[0], (prices::LAMBDA_REQUEST, 2000.0));
    }
}
