//! Monitoring: every function has an alarm and a widget, every alarm an entry in the runbook.

use std::collections::BTreeSet;

use sandbox_host::template::{Bindings, Stack};
use serde_json::Value;

use super::{ROOT, stack};

const ALARMS: &str = include_str!("../../../infra/alarms.yaml");
const DASHBOARD: &str = include_str!("../../../infra/dashboard.yaml");

/// The names of the parameters that a nested stack gets.
fn handed(logical_id: &str) -> BTreeSet<String> {
    let parameters = stack().resource(logical_id).unwrap()["Properties"]["Parameters"].clone();
    parameters.as_object().unwrap().keys().cloned().collect()
}

/// A nested stack, read with these parameters. The value of each parameter is its own name.
fn nested(text: &str, handed: &BTreeSet<String>) -> Stack {
    let bindings = Bindings::new("us-east-1", "000000000000", "ias");
    let bindings = handed
        .iter()
        .fold(bindings, |bindings, name| bindings.with_parameter(name, name));
    Stack::read(text, &bindings).unwrap()
}

fn alarms() -> Vec<(String, Value)> {
    let stack = nested(ALARMS, &handed("Alarms"));
    let alarms = stack
        .resources()
        .filter(|(_, kind, _)| *kind == "AWS::CloudWatch::Alarm");
    alarms
        .map(|(id, _, body)| (id.to_owned(), body["Properties"].clone()))
        .collect()
}

/// The dashboard's body, with placeholders as written.
fn dashboard() -> Value {
    let stack = nested(DASHBOARD, &handed("Dashboard"));
    let body = &stack.resource("Dashboard").unwrap()["Properties"]["DashboardBody"]["Fn::Sub"];
    serde_json::from_str(body.as_str().unwrap()).unwrap()
}

#[test]
fn nested_stacks_get_exactly_their_parameters() {
    let nested = ["Alarms", "Dashboard", "Domain", "UserPool"];
    for (logical_id, file) in nested.into_iter().zip(["alarms", "dashboard", "domain", "user-pool"]) {
        let handed = handed(logical_id);
        let text = std::fs::read_to_string(format!("{ROOT}/infra/{file}.yaml")).unwrap();
        // Reading fails if a passed parameter is not declared, or if a declared parameter has neither a value nor a
        // default.
        let declared = self::nested(&text, &handed).parameters;
        let missing = declared.iter().filter(|parameter| !handed.contains(&parameter.name));
        assert_eq!(
            missing.map(|parameter| &parameter.name).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{file}"
        );
        let url = stack().resource(logical_id).unwrap()["Properties"]["TemplateURL"].clone();
        assert_eq!(url, format!("infra/{file}.yaml"));
    }
}

#[test]
fn every_function_has_an_alarm_for_its_failures() {
    let alarms = alarms();
    for function in &stack().functions {
        let watches = |alarm: &Value| {
            alarm["Namespace"] == "AWS/Lambda"
                && alarm["MetricName"] == "Errors"
                && alarm["Dimensions"][0]["Value"]["Ref"] == function.logical_id
        };
        assert_eq!(
            alarms.iter().filter(|(_, alarm)| watches(alarm)).count(),
            1,
            "{}",
            function.binary
        );
    }
}

/// Lambda can mistake a chain of messages for a loop, and then stops the consumer.
#[test]
fn every_consumer_without_loop_permission_has_a_loop_alarm() {
    let alarms = alarms();
    let watched = alarms
        .iter()
        .filter(|(_, alarm)| alarm["MetricName"] == "RecursiveInvocationsDropped")
        .map(|(_, alarm)| alarm["Dimensions"][0]["Value"]["Ref"].as_str().unwrap().to_owned());
    let stack = stack();
    let stopped = stack
        .functions
        .iter()
        .filter(|function| !function.queue_sources.is_empty() && !function.loop_allowed);
    let stopped: BTreeSet<String> = stopped.map(|function| function.logical_id.clone()).collect();
    assert_eq!(watched.collect::<BTreeSet<_>>(), stopped);
    assert!(!stopped.is_empty());
}

#[test]
fn every_queue_has_alarms_for_its_age_and_its_dead_letters() {
    let alarms = alarms();
    let watched = |metric: &str| -> BTreeSet<String> {
        let of_metric = alarms.iter().filter(|(_, alarm)| alarm["MetricName"] == metric);
        of_metric
            .map(|(_, alarm)| alarm["Dimensions"][0]["Value"]["Ref"].as_str().unwrap().to_owned())
            .collect()
    };
    let stack = stack();
    let (sources, dead): (Vec<_>, Vec<_>) = stack.queues.iter().partition(|queue| queue.redrive.is_some());
    let ids = |queues: Vec<&sandbox_host::template::Queue>| -> BTreeSet<String> {
        queues.into_iter().map(|queue| queue.logical_id.clone()).collect()
    };
    assert_eq!(watched("ApproximateAgeOfOldestMessage"), ids(sources));
    assert_eq!(watched("ApproximateNumberOfMessagesVisible"), ids(dead));
}

/// Entries of the runbook for what no alarm can see.
const WITHOUT_ALARM: [&str; 2] = ["breach", "subpoena"];

/// An alarm must notify the operator, and the operator needs instructions.
#[test]
fn every_alarm_notifies_and_has_a_runbook_entry() {
    let runbook = std::fs::read_to_string(format!("{ROOT}/docs/runbook.md")).unwrap();
    let entries: BTreeSet<String> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .map(str::to_lowercase)
        .collect();
    let mut named = BTreeSet::new();
    for (id, alarm) in alarms() {
        let description = alarm["AlarmDescription"].as_str().unwrap();
        let (_, anchor) = description.split_once("(docs/runbook.md#").expect(&id);
        let anchor = anchor.strip_suffix(')').unwrap();
        assert!(entries.contains(anchor), "{id}: no entry {anchor}");
        named.insert(anchor.to_owned());
        for actions in ["AlarmActions", "OKActions"] {
            assert_eq!(alarm[actions][0]["Ref"], "Topic", "{id}");
        }
    }
    named.extend(WITHOUT_ALARM.map(str::to_owned));
    assert_eq!(named, entries, "entries without an alarm");
}

#[test]
fn every_function_and_queue_is_on_the_dashboard() {
    let mut shown = String::new();
    for widget in dashboard()["widgets"].as_array().unwrap() {
        shown.push_str(&widget["properties"]["metrics"].to_string());
    }
    let stack = stack();
    for function in &stack.functions {
        let mentions = shown.matches(&format!("${{{}}}", function.logical_id)).count();
        assert_eq!(
            mentions, 4,
            "{}: invocations, errors, duration, throttles",
            function.binary
        );
    }
    for queue in &stack.queues {
        assert!(
            shown.contains(&format!("${{{}}}", queue.logical_id)),
            "{}",
            queue.logical_id
        );
    }
}

#[test]
fn dashboard_widgets_do_not_overlap() {
    let mut taken = BTreeSet::new();
    for widget in dashboard()["widgets"].as_array().unwrap() {
        let side = |name: &str| widget[name].as_u64().unwrap();
        assert!(side("x") + side("width") <= 24);
        for x in side("x")..side("x") + side("width") {
            for y in side("y")..side("y") + side("height") {
                assert!(taken.insert((x, y)), "{}", widget["properties"]["title"]);
            }
        }
    }
}
