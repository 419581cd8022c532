//! Events of type `Schedule` (an EventBridge rule) and `ScheduleV2` (EventBridge Scheduler).

use std::time::Duration;

use super::error::TemplateError;
use super::node::Node;

/// A schedule of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The event's name within its function.
    pub event: String,
    pub every: Duration,
    pub kind: ScheduleKind,
    /// `Input`: JSON text sent instead of the default event.
    pub input: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScheduleKind {
    /// An EventBridge rule.
    Rule,
    /// EventBridge Scheduler.
    Scheduler,
}

/// Reads the properties of one schedule; `None` if it is disabled.
pub(super) fn read(event: &str, kind: ScheduleKind, node: &Node<'_>) -> Result<Option<Schedule>, TemplateError> {
    let enabled = node
        .get("Enabled")?
        .map(|node| node.flag())
        .transpose()?
        .unwrap_or(true);
    let state = node.text_at("State")?;
    if !enabled || state.is_some_and(|state| state == "DISABLED") {
        return Ok(None);
    }
    let expression = match kind {
        ScheduleKind::Rule => node.required("Schedule")?,
        ScheduleKind::Scheduler => node.required("ScheduleExpression")?,
    };
    let every = rate(&expression)?;
    Ok(Some(Schedule {
        event: event.to_owned(),
        every,
        kind,
        input: node.text_at("Input")?,
    }))
}

/// `rate(value unit)`, docs.aws.amazon.com, "Schedule expressions".
fn rate(node: &Node<'_>) -> Result<Duration, TemplateError> {
    let text = node.text()?;
    let inner = text.strip_prefix("rate(").and_then(|rest| rest.strip_suffix(')'));
    let parts = inner.and_then(|inner| inner.split_once(' '));
    let (value, unit) = parts.ok_or_else(|| node.error(format!("`{text}` is not of the form rate(value unit)")))?;
    let value: u64 = value
        .parse()
        .map_err(|error| node.error(format!("`{value}` in `{text}`: {error}")))?;
    let unit_secs = match unit.trim().trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        other => return Err(node.error(format!("has the unknown unit `{other}`"))),
    };
    match value {
        0 => Err(node.error("has the rate zero")),
        value => Ok(Duration::from_secs(value * unit_secs)),
    }
}
