use serde_json::{Value, json};

use super::*;

const NOW: u64 = 1_795_341_802_000;

fn line() -> Value {
    json!({
        "_aws": { "Timestamp": NOW - 5, "CloudWatchMetrics": [
            {
                "Namespace": "Shop", "Dimensions": [["Stage"], ["Stage", "Operation"]],
                "Metrics": [{ "Name": "Latency", "Unit": "Milliseconds", "StorageResolution": 60 }],
            },
            { "Namespace": "Shop", "Dimensions": [[]], "Metrics": [{ "Name": "Sold" }] },
        ] },
        "Stage": "prod", "Operation": "buy", "Latency": [40, 2.5], "Sold": 3, "requestId": "not a metric",
    })
}

fn read_line(line: &Value) -> Result<Vec<Datum>, Malformed> {
    read(&line.to_string(), NOW).expect("a line with metrics")
}

fn datum(name: &str, unit: &str, dimensions: &[(&str, &str)], value: f64) -> Datum {
    let dimensions = dimensions
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Datum {
        namespace: "Shop".to_owned(),
        name: name.to_owned(),
        unit: unit.to_owned(),
        dimensions: dimensions.collect(),
        value,
        at_ms: NOW - 5,
    }
}

#[test]
fn each_value_counts_once_for_each_set_of_dimensions() {
    let whole = [("Stage", "prod")];
    let parts = [("Stage", "prod"), ("Operation", "buy")];
    let expected = vec![
        datum("Latency", "Milliseconds", &whole, 40.0),
        datum("Latency", "Milliseconds", &whole, 2.5),
        datum("Latency", "Milliseconds", &parts, 40.0),
        datum("Latency", "Milliseconds", &parts, 2.5),
        datum("Sold", "None", &[], 3.0),
    ];
    assert_eq!(read_line(&line()), Ok(expected));
}

#[test]
fn other_lines_are_not_metric_lines() {
    for other in [
        "",
        "START RequestId",
        r#"{"level":"INFO","message":"\"_aws\""}"#,
        r#"{"message":{"_aws":{}}}"#,
        r#"["_aws"]"#,
        r#"{"_aws":"#,
    ] {
        assert_eq!(read(other, NOW), None, "{other}");
    }
}

fn spoilt(pointer: &str, value: Value) -> Result<Vec<Datum>, Malformed> {
    let mut line = line();
    *line.pointer_mut(pointer).expect("a place") = value;
    read_line(&line)
}

/// Checks that each value breaks its rule in the first metric directive.
fn assert_declarations_break<const N: usize>(cases: [(&'static str, &str, Value); N]) {
    for (rule, place, value) in cases {
        let pointer = format!("/_aws/CloudWatchMetrics/0{place}");
        assert_eq!(spoilt(&pointer, value), Err(Malformed(rule)), "{place}");
    }
}

#[test]
fn broken_rule_of_a_namespace_or_list_is_reported() {
    assert_declarations_break([
        ("a name is missing", "/Namespace", json!(1)),
        ("Namespace is invalid or reserved", "/Namespace", json!("")),
        ("Namespace is invalid or reserved", "/Namespace", json!("AWS/Lambda")),
        ("a list is missing", "/Dimensions", json!("Stage")),
        ("a list is missing", "/Metrics", Value::Null),
    ]);
}

#[test]
fn broken_rule_of_dimensions_is_reported() {
    let many = |count: usize| (0..count).map(|n| json!(format!("d{n}"))).collect::<Vec<_>>();
    assert_declarations_break(
        [
            ("there is no set of dimensions", json!([])),
            ("a set of dimensions is not a list", json!(["Stage"])),
            ("more than 30 dimensions", json!([many(31)])),
            ("the name of a dimension is not a text", json!([[1]])),
            ("the name of a dimension is invalid", json!([[":Stage"]])),
            ("a dimension has no text at the root", json!([["Missing"]])),
            ("a dimension has no text at the root", json!([["Sold"]])),
            ("a set has a dimension twice", json!([["Stage", "Stage"]])),
        ]
        .map(|(rule, dimensions)| (rule, "/Dimensions", dimensions)),
    );
}

#[test]
fn broken_rule_of_a_metric_list_is_reported() {
    assert_declarations_break([
        (
            "more than 100 metrics",
            "/Metrics",
            json!(vec![json!({ "Name": "Sold" }); 101]),
        ),
        ("a name is missing", "/Metrics", json!([{}])),
    ]);
}

#[test]
fn broken_rule_of_a_metric_is_reported() {
    let metric = |more: Value| {
        let mut metric = json!({ "Name": "Latency", "Unit": "Milliseconds" });
        metric
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        metric
    };
    assert_declarations_break(
        [
            ("the unit is unknown to CloudWatch", json!({ "Unit": "Fortnights" })),
            ("the unit is unknown to CloudWatch", json!({ "Unit": "milliseconds" })),
            ("the unit is unknown to CloudWatch", json!({ "Unit": "Seconds/Second" })),
            (
                "StorageResolution is neither 1 nor 60",
                json!({ "StorageResolution": 30 }),
            ),
            ("a metric has no value at the root", json!({ "Name": "Missing" })),
            ("the value of a metric is not a number", json!({ "Name": "Stage" })),
        ]
        .map(|(rule, more)| (rule, "/Metrics/0", metric(more))),
    );
}

#[test]
fn broken_rule_of_a_root_value_is_reported() {
    for (rule, place, value) in [
        ("a list is missing", "/_aws", json!({ "Timestamp": NOW })),
        ("the value of a dimension is invalid", "/Stage", json!("")),
        ("the value of a dimension is invalid", "/Stage", json!("prod\n")),
        ("the value of a dimension is invalid", "/Stage", json!("s".repeat(1025))),
        ("the value of a metric is not a number", "/Sold", json!("3")),
        ("more than 100 values of a metric", "/Sold", json!(vec![1; 101])),
        ("the line is too long", "/requestId", json!("x".repeat(256 * 1024))),
    ] {
        assert_eq!(spoilt(place, value), Err(Malformed(rule)), "{place}");
    }
}

#[test]
fn timestamp_outside_the_accepted_range_is_refused() {
    const DAY: u64 = 86_400_000;
    for (at, taken) in [
        (json!(NOW), true),
        (json!(NOW - 14 * DAY), true),
        (json!(NOW - 14 * DAY - 1), false),
        (json!(NOW + DAY / 12), true),
        (json!(NOW + DAY / 12 + 1), false),
        (json!(NOW / 1000), false),
        (json!(NOW.to_string()), false),
        (Value::Null, false),
    ] {
        assert_eq!(spoilt("/_aws/Timestamp", at.clone()).is_ok(), taken, "{at}");
    }
}

#[test]
fn units_include_rates_of_amounts() {
    for unit in [
        "None",
        "Percent",
        "Count",
        "Count/Second",
        "Terabits/Second",
        "Microseconds",
    ] {
        assert!(is_unit(unit), "{unit}");
    }
    for unit in [
        "",
        "Percent/Second",
        "Milliseconds/Second",
        "None/Second",
        "Count/second",
    ] {
        assert!(!is_unit(unit), "{unit}");
    }
}
