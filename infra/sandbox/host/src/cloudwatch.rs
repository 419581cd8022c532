//! Reads the metrics in log lines of the embedded metric format, as CloudWatch Logs does (docs.aws.amazon.com,
//! "Specification: Embedded metric format"; the API reference of `MetricDatum` and `Dimension` has the rules for names
//! and values).
//!
//! CloudWatch silently ignores the metrics of a line that breaks the specification; this module reports the broken
//! rule. It knows the format, but not which metrics the functions write.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clock;
use crate::lambda::{LogLine, LogSink};

#[cfg(test)]
mod tests;

/// One value of one metric, under one set of dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    pub namespace: String,
    pub name: String,
    /// The text `None` if the line does not name a unit, as in CloudWatch.
    pub unit: String,
    pub dimensions: BTreeMap<String, String>,
    pub value: f64,
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// The rule that a line breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not in the embedded metric format: {0}")]
pub struct Malformed(pub &'static str);

/// A log line with metrics. `read` is an error if the line breaks a rule of the format.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricLine {
    /// The name of the function's binary.
    pub function: String,
    pub read: Result<Vec<Datum>, Malformed>,
}

/// Receives each [`MetricLine`]. The host's tasks call it, so it must not block.
pub type MetricSink = Arc<dyn Fn(MetricLine) + Send + Sync>;

/// Passes every line on to `log`, and the metrics in it to `metrics`.
pub(crate) fn reading(log: LogSink, metrics: MetricSink) -> LogSink {
    Arc::new(move |line: LogLine| {
        if let Some(read) = read(&line.text, clock::now_ms()) {
            let function = line.function.clone();
            metrics(MetricLine { function, read });
        }
        log(line);
    })
}

const LINE_BYTES_MAX: usize = 256 * 1024;
const DAY_MS: u64 = 86_400_000;
/// CloudWatch accepts metrics up to two weeks old and up to two hours ahead.
const PAST_MS_MAX: u64 = 14 * DAY_MS;
const FUTURE_MS_MAX: u64 = DAY_MS / 12;
const METRICS_MAX: usize = 100;
const DIMENSIONS_MAX: usize = 30;
const VALUES_MAX: usize = 100;
const NAME_CHARS_MAX: usize = 255;
const DIMENSION_VALUE_CHARS_MAX: usize = 1024;
/// CloudWatch's units except `None`, `Percent` and the rates, such as `Count/Second`.
const UNITS: [&str; 14] = [
    "Seconds",
    "Microseconds",
    "Milliseconds",
    "Bytes",
    "Kilobytes",
    "Megabytes",
    "Gigabytes",
    "Terabytes",
    "Bits",
    "Kilobits",
    "Megabits",
    "Gigabits",
    "Terabits",
    "Count",
];

/// Reads the metrics of a line; `None` if the line is not in the embedded metric format.
pub fn read(line: &str, now_ms: u64) -> Option<Result<Vec<Datum>, Malformed>> {
    if !line.contains("\"_aws\"") {
        return None;
    }
    let root: Map<String, Value> = serde_json::from_str(line).ok()?;
    let about = root.get("_aws")?;
    let document = Document {
        root: &root,
        at_ms: about.get("Timestamp").and_then(Value::as_u64).unwrap_or_default(),
    };
    let read = rule(line.len() <= LINE_BYTES_MAX, "the line is too long")
        .and_then(|()| document.check_time(now_ms))
        .and_then(|()| document.directives(about));
    Some(read)
}

struct Document<'l> {
    root: &'l Map<String, Value>,
    at_ms: u64,
}

impl Document<'_> {
    fn check_time(&self, now_ms: u64) -> Result<(), Malformed> {
        let taken = now_ms.saturating_sub(PAST_MS_MAX)..=now_ms.saturating_add(FUTURE_MS_MAX);
        rule(
            taken.contains(&self.at_ms),
            "Timestamp is not a current time in milliseconds",
        )
    }

    fn directives(&self, about: &Value) -> Result<Vec<Datum>, Malformed> {
        let mut data = Vec::new();
        for directive in list(about, "CloudWatchMetrics")? {
            let namespace = text(directive, "Namespace")?;
            rule(
                is_name(namespace) && !namespace.starts_with("AWS/"),
                "Namespace is invalid or reserved",
            )?;
            let sets = self.sets(directive)?;
            let metrics = list(directive, "Metrics")?;
            rule(metrics.len() <= METRICS_MAX, "more than 100 metrics")?;
            for metric in metrics {
                let (name, unit, values) = self.metric(metric)?;
                for (dimensions, value) in sets.iter().flat_map(|set| values.iter().map(move |value| (set, value))) {
                    data.push(Datum {
                        namespace: namespace.to_owned(),
                        name: name.to_owned(),
                        unit: unit.to_owned(),
                        dimensions: dimensions.clone(),
                        value: *value,
                        at_ms: self.at_ms,
                    });
                }
            }
        }
        Ok(data)
    }

    /// The sets of dimensions, with their values from the root of the document.
    fn sets(&self, directive: &Value) -> Result<Vec<BTreeMap<String, String>>, Malformed> {
        let mut sets = Vec::new();
        for names in list(directive, "Dimensions")? {
            let names = names.as_array().ok_or(Malformed("a set of dimensions is not a list"))?;
            rule(names.len() <= DIMENSIONS_MAX, "more than 30 dimensions")?;
            let mut set = BTreeMap::new();
            for name in names {
                let name = name
                    .as_str()
                    .ok_or(Malformed("the name of a dimension is not a text"))?;
                rule(
                    is_name(name) && !name.starts_with(':'),
                    "the name of a dimension is invalid",
                )?;
                let value = self.root.get(name).and_then(Value::as_str);
                let value = value.ok_or(Malformed("a dimension has no text at the root"))?;
                rule(
                    is_shown(value, DIMENSION_VALUE_CHARS_MAX),
                    "the value of a dimension is invalid",
                )?;
                let before = set.insert(name.to_owned(), value.to_owned());
                rule(before.is_none(), "a set has a dimension twice")?;
            }
            sets.push(set);
        }
        rule(!sets.is_empty(), "there is no set of dimensions")?;
        Ok(sets)
    }

    fn metric<'m>(&self, metric: &'m Value) -> Result<(&'m str, &'m str, Vec<f64>), Malformed> {
        let name = text(metric, "Name")?;
        rule(is_name(name), "the name of a metric is invalid")?;
        let unit = match metric.get("Unit") {
            None => "None",
            Some(unit) => unit.as_str().unwrap_or_default(),
        };
        rule(is_unit(unit), "the unit is unknown to CloudWatch")?;
        let resolution = metric.get("StorageResolution").map(Value::as_u64);
        rule(
            matches!(resolution, None | Some(Some(1 | 60))),
            "StorageResolution is neither 1 nor 60",
        )?;
        let target = self
            .root
            .get(name)
            .ok_or(Malformed("a metric has no value at the root"))?;
        let values: Option<Vec<f64>> = match target {
            Value::Array(values) => values.iter().map(Value::as_f64).collect(),
            value => value.as_f64().map(|value| vec![value]),
        };
        let values = values.ok_or(Malformed("the value of a metric is not a number"))?;
        rule(values.len() <= VALUES_MAX, "more than 100 values of a metric")?;
        Ok((name, unit, values))
    }
}

const fn rule(holds: bool, rule: &'static str) -> Result<(), Malformed> {
    match holds {
        true => Ok(()),
        false => Err(Malformed(rule)),
    }
}

fn list<'v>(value: &'v Value, name: &'static str) -> Result<&'v Vec<Value>, Malformed> {
    value
        .get(name)
        .and_then(Value::as_array)
        .ok_or(Malformed("a list is missing"))
}

fn text<'v>(value: &'v Value, name: &'static str) -> Result<&'v str, Malformed> {
    value
        .get(name)
        .and_then(Value::as_str)
        .ok_or(Malformed("a name is missing"))
}

fn is_name(text: &str) -> bool {
    is_shown(text, NAME_CHARS_MAX)
}

/// Whether the text is printable ASCII, is not blank, and has at most `chars_max` characters.
fn is_shown(text: &str, chars_max: usize) -> bool {
    let shows = text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    shows && !text.trim().is_empty() && text.len() <= chars_max
}

fn is_unit(unit: &str) -> bool {
    let amount = unit.strip_suffix("/Second").unwrap_or(unit);
    let is_span = amount.ends_with("seconds") || amount == "Seconds";
    matches!(unit, "None" | "Percent") || (UNITS.contains(&amount) && (amount == unit || !is_span))
}
