//! Makes lines of the embedded metric format. A line is a JSON object: its members are values, and its member `_aws`
//! names the members that are metrics or dimensions.

use serde_json::{Map, Value, json};

use super::{Metric, NAMESPACE, STAGE};
use crate::domain::Time;

/// The lines for these metrics: one line, unless two metrics need the same member.
pub(super) fn lines(stage: &str, at: Time, metrics: &[Metric]) -> Vec<String> {
    let mut documents = Vec::<Document>::new();
    for metric in metrics {
        match documents.last_mut() {
            Some(document) if document.takes(metric) => document.add(metric),
            Some(_) | None => {
                let mut document = Document::default();
                document.add(metric);
                documents.push(document);
            }
        }
    }
    documents.into_iter().map(|document| document.line(stage, at)).collect()
}

#[derive(Default)]
struct Document {
    directives: Vec<Value>,
    members: Map<String, Value>,
}

impl Document {
    fn takes(&self, metric: &Metric) -> bool {
        let dimension = metric.detail().map(|(dimension, _)| dimension);
        let mut wanted = dimension.into_iter().chain([metric.name().as_str()]);
        !wanted.any(|member| self.members.contains_key(member))
    }

    /// CloudWatch keeps a metric with a detail twice: by the detail, and as a total. Alarms need the total: an alarm
    /// would have to list every detail, and the list may grow. An alarm also cannot compute a percentile over several
    /// metrics.
    fn add(&mut self, metric: &Metric) {
        let (name, unit) = (metric.name().as_str(), metric.name().unit().as_str());
        let mut sets = vec![vec![STAGE]];
        if let Some((dimension, code)) = metric.detail() {
            sets.push(vec![STAGE, dimension]);
            self.members.insert(dimension.to_owned(), code.into());
        }
        self.members.insert(name.to_owned(), metric.value().into());
        self.directives.push(json!({
            "Namespace": NAMESPACE, "Dimensions": sets, "Metrics": [{ "Name": name, "Unit": unit }],
        }));
    }

    fn line(mut self, stage: &str, at: Time) -> String {
        let about = json!({ "Timestamp": at.millis(), "CloudWatchMetrics": self.directives });
        self.members.insert("_aws".to_owned(), about);
        self.members.insert(STAGE.to_owned(), stage.into());
        Value::Object(self.members).to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::pull::PullState;
    use crate::domain::record::RecordState;
    use crate::ports::upstream::{Operation, UpstreamErrorKind};

    const AT: Time = Time::from_millis(1_795_341_802_000);

    fn read(metrics: &[Metric]) -> Vec<Value> {
        let lines = lines("prod", AT, metrics);
        assert!(lines.iter().all(|line| !line.contains('\n')));
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn metric_is_written_by_stage_and_by_detail() {
        let lines = read(&[Metric::pull_ended(PullState::Completed)]);
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_341_802_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "IndividualAccess",
                    "Dimensions": [["Stage"], ["Stage", "State"]],
                    "Metrics": [{ "Name": "PullsEnded", "Unit": "Count" }],
                }],
            },
            "Stage": "prod",
            "State": "completed",
            "PullsEnded": 1,
        });
        assert_eq!(lines, [expected]);
    }

    #[test]
    fn metrics_with_different_members_share_a_line() {
        let call = [
            Metric::upstream_latency(Operation::ReadNetworkQuery, Duration::from_millis(40)),
            Metric::upstream_error(UpstreamErrorKind::Server),
        ];
        let [line] = read(&call).try_into().unwrap();
        assert_eq!(line["UpstreamLatency"], 40);
        assert_eq!(
            (&line["Operation"], &line["Kind"]),
            (&json!("read-network-query"), &json!("server"))
        );
        let sets = |index: usize| line["_aws"]["CloudWatchMetrics"][index]["Dimensions"].clone();
        assert_eq!(sets(0), json!([["Stage"], ["Stage", "Operation"]]));
        assert_eq!(sets(1), json!([["Stage"], ["Stage", "Kind"]]));
        assert_eq!(sets(2), Value::Null);
    }

    #[test]
    fn metrics_with_the_same_member_get_separate_lines() {
        let twice = [
            Metric::pull_ended(PullState::Failed),
            Metric::record_ended(RecordState::Failed),
            Metric::pull_ended(PullState::Partial),
            Metric::record_bytes(7),
            Metric::record_bytes(8),
        ];
        let lines = read(&twice);
        // Pulls and records both use the member `State`.
        let states: Vec<_> = lines.iter().map(|line| line["State"].clone()).collect();
        assert_eq!(
            states,
            [json!("failed"), json!("failed"), json!("partial"), Value::Null]
        );
        let bytes: Vec<_> = lines.iter().map(|line| line["RecordBytes"].clone()).collect();
        assert_eq!(bytes, [Value::Null, Value::Null, json!(7), json!(8)]);
    }

    #[test]
    fn empty_list_of_metrics_writes_nothing() {
        assert!(lines("prod", AT, &[]).is_empty());
    }
}
