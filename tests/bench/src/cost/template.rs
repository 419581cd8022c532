//! What the templates say about costs: memory, and everything that is billed by the month whether it is used or not.

use sandbox_host::template::{Bindings, Stack};
use serde_json::Value;

use crate::Problem;
use crate::page::root;

/// Values for what has no default; none of them changes what is billed.
const PARAMETERS: [(&str, &str); 4] = [
    ("FacilityId", "facility"),
    ("JwtIssuer", "https://issuer.example.test"),
    ("JwtAudience", "app"),
    ("RedirectAllowlist", "https://app.example.test/back"),
];

/// The templates, read.
pub(super) struct Template {
    stack: Stack,
    alarms: Stack,
    dashboard: Stack,
}

impl Template {
    /// Reads the root template and those of alarms and dashboard.
    ///
    /// # Errors
    /// When one of them cannot be read.
    pub(super) fn read() -> Result<Self, Problem> {
        let with = |bindings: Bindings, (name, value): &(&str, &str)| bindings.with_parameter(*name, *value);
        let stack = read("template.yaml", &PARAMETERS.iter().fold(bindings(), with))?;
        Ok(Self {
            alarms: nested(&stack, "Alarms", "infra/alarms.yaml")?,
            dashboard: nested(&stack, "Dashboard", "infra/dashboard.yaml")?,
            stack,
        })
    }

    /// The memory of a function, in GB as Lambda bills them.
    ///
    /// # Errors
    /// When there is no such function.
    pub(super) fn memory_gb(&self, binary: &str) -> Result<f64, Problem> {
        let function = self.stack.function(binary);
        let function = function.ok_or_else(|| format!("the template has no function {binary}"))?;
        Ok(f64::from(u32::try_from(function.memory_mb)?) / 1024.0)
    }

    /// How many resources of a type there are, in all three.
    pub(super) fn count(&self, kind: &str) -> usize {
        let stacks = [&self.stack, &self.alarms, &self.dashboard];
        let resources = stacks.into_iter().flat_map(Stack::resources);
        resources.filter(|(_, of, _)| *of == kind).count()
    }

    /// Queues that functions take messages from: Lambda asks each of them all the time.
    pub(super) fn polled_queues(&self) -> usize {
        let resources = self.stack.resources();
        let events = resources.filter_map(|(_, _, body)| body.pointer("/Properties/Events")?.as_object());
        let is_queue = |event: &&Value| event.get("Type").and_then(Value::as_str) == Some("SQS");
        events.flat_map(|events| events.values()).filter(is_queue).count()
    }

    /// Metrics that alarms watch: each is billed, and an alarm over an expression watches several.
    pub(super) fn alarm_metrics(&self) -> usize {
        let alarms = self
            .alarms
            .resources()
            .filter(|(_, kind, _)| *kind == "AWS::CloudWatch::Alarm");
        let watched = alarms.map(|(_, _, body)| {
            let metrics = body.pointer("/Properties/Metrics").and_then(Value::as_array);
            let is_one = |metric: &&Value| metric.get("MetricStat").is_some();
            metrics.map_or(1, |metrics| metrics.iter().filter(is_one).count())
        });
        watched.sum()
    }
}

fn bindings() -> Bindings {
    Bindings::new("us-east-1", "000000000000", "ias")
}

fn read(path: &str, bindings: &Bindings) -> Result<Stack, Problem> {
    let text = std::fs::read_to_string(root().join(path))?;
    Stack::read(&text, bindings).map_err(|error| format!("{path}: {error}").into())
}

/// A nested stack, read with what it is handed: the name of a parameter stands for its value.
fn nested(stack: &Stack, logical_id: &str, path: &str) -> Result<Stack, Problem> {
    let handed = stack
        .resource(logical_id)
        .and_then(|body| body.pointer("/Properties/Parameters")?.as_object());
    let names = handed.into_iter().flat_map(|handed| handed.keys());
    read(
        path,
        &names.fold(bindings(), |bindings, name| bindings.with_parameter(name, name)),
    )
}
