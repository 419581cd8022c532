//! Numbers for the operator. A metric is a log line in CloudWatch's embedded metric format (docs.aws.amazon.com,
//! "Specification: Embedded metric format"). CloudWatch Logs extracts the numbers, so they cost no call, no privilege
//! and no wait.
//!
//! [`Name`] lists every metric. A [`Metric`] is made only from numbers and codes of closed lists, so it cannot hold
//! anything about a person.
//!
//! A line is written in one piece, after the change that it reports is durable. A killed process may therefore lose a
//! line, but it never reports a change that it did not make (decision 0012).

mod document;
mod metric;
mod name;

use std::io::Write as _;
use std::sync::Arc;

pub use metric::{KeysRead, Metric};
pub use name::{Name, Unit};

use crate::clock;

/// The namespace of every metric.
pub const NAMESPACE: &str = "IndividualAccess";
/// The dimension that every metric has: the deployment's stage.
pub const STAGE: &str = "Stage";

/// The destination of metrics. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Option<Arc<Log>>);

struct Log {
    stage: String,
    out: Box<dyn Fn(&str) + Send + Sync>,
}

impl Metrics {
    /// Writes to standard output, from which Lambda takes logs.
    #[must_use]
    pub fn to_stdout(stage: &str) -> Self {
        Self::to(stage, print)
    }

    /// Writes to a function that takes lines without their line ends.
    #[must_use]
    pub fn to(stage: &str, out: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Log {
            stage: stage.to_owned(),
            out: Box::new(out),
        })))
    }

    /// Writes nothing; for a program that uses an adapter but does not run as a Lambda function.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Writes these metrics, in one line if possible. Call it after the change that they report.
    pub fn put(&self, metrics: &[Metric]) {
        if let Some(log) = &self.0 {
            let lines = document::lines(&log.stage, clock::now(), metrics);
            lines.iter().for_each(|line| (log.out)(line));
        }
    }
}

/// Makes one write, so that no other line gets into this one and no part of it stays behind. A failed write is ignored,
/// because only the same log could report it.
fn print(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).ok();
}
