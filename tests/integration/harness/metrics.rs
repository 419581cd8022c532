//! The metrics that CloudWatch would read from the functions' output so far.

use std::collections::BTreeMap;

use sandbox_host::cloudwatch::{Datum, MetricLine};

use super::{TestApp, until};

impl TestApp {
    /// Every line that holds metrics.
    pub fn metric_lines(&self) -> Vec<MetricLine> {
        self.metrics.lock().unwrap().clone()
    }

    /// Every value of every metric. A line that CloudWatch could not read fails the test.
    pub fn data(&self) -> Vec<Datum> {
        let lines = self.metric_lines().into_iter();
        lines
            .flat_map(|line| line.read.unwrap_or_else(|broken| panic!("{}: {broken}", line.function)))
            .collect()
    }

    /// The values of a metric with exactly these dimensions and the stage.
    pub fn metric_values(&self, name: &str, dimensions: &[(&str, &str)]) -> Vec<f64> {
        let wanted: BTreeMap<_, _> = [("Stage", "sandbox")].iter().chain(dimensions).copied().collect();
        let is_wanted = |datum: &Datum| {
            let own = datum
                .dimensions
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            datum.name == name && own.collect::<BTreeMap<_, _>>() == wanted
        };
        let data = self.data().into_iter().filter(is_wanted);
        data.map(|datum| datum.value).collect()
    }

    /// Waits until a metric has this many values, and returns them.
    pub async fn until_metric(&self, name: &str, dimensions: &[(&str, &str)], count: usize) -> Vec<f64> {
        until(&format!("{name} {dimensions:?} has {count} values"), async || {
            let values = self.metric_values(name, dimensions);
            (values.len() >= count).then_some(values)
        })
        .await
    }
}
