//! What the functions tell the operator in numbers. A metric is a line of the log in CloudWatch's embedded metric
//! format (docs.aws.amazon.com, "Specification: Embedded metric format"): CloudWatch Logs takes the numbers out by
//! itself, so that they cost no call, no privilege and no wait.
//!
//! [`Name`] is the closed list. A [`Metric`] is made from numbers and from codes of closed lists, and from nothing
//! else: there is no way to put a person into one.
//!
//! A line is written at once and whole, after what it tells of is durable. So a process that is killed loses what it
//! has not reached yet, and never what it has told (decision 0012).

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
/// The dimension every metric has: which deployment it is of.
pub const STAGE: &str = "Stage";

/// Where metrics go. Cheap to clone.
#[derive(Clone)]
pub struct Metrics(Option<Arc<Log>>);

struct Log {
    stage: String,
    out: Box<dyn Fn(&str) + Send + Sync>,
}

impl Metrics {
    /// To standard output, where Lambda takes logs from.
    #[must_use]
    pub fn to_stdout(stage: &str) -> Self {
        Self::to(stage, print)
    }

    /// To whoever takes lines, which come without their ends.
    #[must_use]
    pub fn to(stage: &str, out: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(Log {
            stage: stage.to_owned(),
            out: Box::new(out),
        })))
    }

    /// To nobody: for what uses an adapter and is no function.
    #[must_use]
    pub const fn off() -> Self {
        Self(None)
    }

    /// Tells what has just become so, in one line as far as that is possible.
    pub fn put(&self, metrics: &[Metric]) {
        if let Some(log) = &self.0 {
            let lines = document::lines(&log.stage, clock::now(), metrics);
            lines.iter().for_each(|line| (log.out)(line));
        }
    }
}

/// One write, so that no other line gets into it and nothing of it stays behind. A log that cannot be written has
/// nobody to tell that to.
fn print(line: &str) {
    std::io::stdout().lock().write_all(format!("{line}\n").as_bytes()).ok();
}
