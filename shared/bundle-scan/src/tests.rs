use proptest::prelude::*;
use serde_json::{Value, json};

use super::specials::WINDOW;
use super::*;

mod patients;

fn scan(bytes: &[u8]) -> Result<BTreeMap<String, u64>, ScanError> {
    let mut scan = BundleScan::default();
    scan.push(bytes)?;
    scan.finish().map(|(counts, ())| counts)
}

#[test]
fn only_resources_of_entries_are_counted() {
    let bundle = json!({
        "entry": [
            {"resource": {"resourceType": "Patient", "contained": [{"resourceType": "Organization"}]}},
            {"fullUrl": "x", "resource": {"code": {"resourceType": "Nope"}, "resourceType": "Observation"}},
            {"resource": {"resourceType": "Observation"}, "search": {"resourceType": "Nope"}},
            {"link": [{"resource": {"resourceType": "Nope"}}]},
        ],
        "meta": {"entry": [{"resource": {"resourceType": "Nope"}}]},
        "resourceType": "Bundle",
    });
    let counts = scan(bundle.to_string().as_bytes()).unwrap();
    assert_eq!(
        counts,
        BTreeMap::from([("Observation".to_owned(), 2), ("Patient".to_owned(), 1)])
    );
}

#[test]
fn stream_that_is_not_a_bundle_is_refused() {
    assert_eq!(scan(br#"{"resourceType":"Patient"}"#), Err(ScanError::NotABundle));
    assert_eq!(scan(b"{}"), Err(ScanError::NotABundle));
    assert_eq!(scan(b"[]"), Err(ScanError::NotABundle));
    assert_eq!(scan(b"<?xml"), Err(ScanError::NotJson(0)));
    assert_eq!(scan(b""), Err(ScanError::Truncated(0)));
    assert_eq!(scan(br#"{"resourceType":"Bundle""#), Err(ScanError::Truncated(24)));
    assert_eq!(scan(br#"{"resourceType":"Bundle"}x"#), Err(ScanError::NotJson(25)));
    assert_eq!(scan(b"{\"a\":\"\xff\"}"), Err(ScanError::NotUtf8(6)));
    let deep = format!(r#"{{"resourceType":"Bundle","x":{}"#, "[".repeat(100_000));
    assert!(matches!(scan(deep.as_bytes()), Err(ScanError::TooDeep(_))));
}

#[test]
fn nesting_deeper_than_512_is_refused() {
    for (open, close) in [
        (r#"{"k":"#, "}"),
        ("[", "]"),
        (r#"{"k":[{"k":"v","l":"#, "}]}"),
        (r#"["v",{"k":"#, "}]"),
    ] {
        let levels = open.matches(['{', '[']).count();
        for (times, beside) in [(511 / levels, 511 % levels), (512 / levels + 1, 0)] {
            let (open, close) = (open.repeat(times), close.repeat(times));
            let (more, less) = ("[".repeat(beside), "]".repeat(beside));
            let text = format!(r#"{{"resourceType":"Bundle","x":{open}{more}"v"{less}{close},"y":"z"}}"#);
            match scan(text.as_bytes()) {
                Ok(counts) => assert!(
                    counts.is_empty() && times * levels + beside == 511,
                    "{times} times {open}"
                ),
                error => assert!(
                    matches!(error, Err(ScanError::TooDeep(_))) && times * levels > 511,
                    "{error:?}"
                ),
            }
        }
    }
}

/// Another reader may use either of two members with the same name. The scan therefore refuses duplicates of the names
/// that it looks for.
#[test]
fn duplicate_or_escaped_name_that_counts_is_refused() {
    let frame = |inner: &str| format!(r#"{{"resourceType":"Bundle","entry":[{inner}]}}"#);
    let patient = r#"{"resource":{"resourceType":"Patient"}}"#;
    for doubled in [
        r#"{"resourceType":"Bundle","resourceType":"Bundle"}"#.to_owned(),
        r#"{"resourceType":"Bundle","entry":[],"entry":[]}"#.to_owned(),
        r#"{"resourceType":"Bundle","entry":5,"entry":[]}"#.to_owned(),
        frame(r#"{"resource":{"resourceType":"Patient"},"resource":{}}"#),
        frame(r#"{"resource":{"resourceType":"Patient","resourceType":"Observation"}}"#),
    ] {
        assert!(
            matches!(scan(doubled.as_bytes()), Err(ScanError::Doubled(_))),
            "{doubled}"
        );
    }
    for escaped in [
        r#"{"resourceType":"Bundle","entry":[],"\u0065ntry":[]}"#.to_owned(),
        r#"{"resourceTyp\u0065":"Patient","resourceType":"Bundle"}"#.to_owned(),
        r#"{"resourceType":"\u0042undle"}"#.to_owned(),
        frame(r#"{"resource":{"resourceType":"Patient"},"r\u0065source":{}}"#),
        frame(r#"{"resource":{"resourceType":"Patient","resource\u0054ype":"Observation"}}"#),
        frame(r#"{"resource":{"resourceType":"Patien\u0074"}}"#),
    ] {
        assert!(
            matches!(scan(escaped.as_bytes()), Err(ScanError::Escaped(_))),
            "{escaped}"
        );
    }
    let inner = r#""resourceType":1,"resourceType":2,"resource\u0054ype":"\u0054""#;
    let entries = format!(r#"{patient},{{"x":1,"x":2,"resource":{{"a":{{{inner}}},"b":"\u0062"}}}},{patient}"#);
    let counts = scan(frame(&entries).as_bytes()).unwrap();
    assert_eq!(counts, BTreeMap::from([("Patient".to_owned(), 2)]));
}

#[test]
fn characters_may_be_cut_anywhere() {
    let bundle = "{\"resourceType\":\"Bundle\",\"x\":\"a\u{e9}\u{20ac}\u{1f4a5}\u{e9}\"}".as_bytes();
    for size in 1..=bundle.len() {
        let mut scan = BundleScan::default();
        bundle.chunks(size).for_each(|piece| scan.push(piece).unwrap());
        assert_eq!(scan.finish(), Ok((BTreeMap::new(), ())), "pieces of {size}");
    }
    for invalid in [
        &b"\xc3("[..],
        b"\xe2\x82(",
        b"\xed\xa0\x80",
        b"\xf5",
        b"\x80",
        b"\xc0\xaf",
        b"\xf0\x9f\x92(",
    ] {
        let text = [b"{\"a\":\"", invalid, b"\"}"].concat();
        for size in 1..=text.len() {
            let mut scan = BundleScan::default();
            let read = text.chunks(size).try_for_each(|piece| scan.push(piece));
            assert_eq!(read, Err(ScanError::NotUtf8(6)), "{invalid:?} in pieces of {size}");
        }
    }
}

#[test]
fn odd_type_names_count_as_unnamed() {
    let bundle = json!({"resourceType": "Bundle", "entry": [
        {"resource": {"resourceType": "CANARY name"}},
        {"resource": {"resourceType": "x".repeat(500)}},
    ]});
    assert_eq!(
        scan(bundle.to_string().as_bytes()).unwrap(),
        BTreeMap::from([("unnamed".to_owned(), 2)])
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC*".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("(resourceType|entry|resource|[a-z\"\\\\é]{0,4})", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// The scan reads any JSON value inside a Bundle, wherever the stream is cut into two pieces. It refuses a stream
    /// that ends early.
    #[test]
    fn any_json_is_read_in_any_two_pieces(
        value in any_json(), cut in any::<prop::sample::Index>(), pretty: bool, before in 0..WINDOW,
    ) {
        let bundle = json!({"w": " ".repeat(before), "x": value, "resourceType": "Bundle", "entry": [
            {"resource": {"resourceType": "Patient", "v": value}},
        ]});
        let text = if pretty { serde_json::to_vec_pretty(&bundle) } else { serde_json::to_vec(&bundle) }.unwrap();
        let (left, right) = text.split_at(cut.index(text.len()));
        let mut scan_in_two = BundleScan::default();
        scan_in_two.push(left).unwrap();
        scan_in_two.push(right).unwrap();
        prop_assert_eq!(scan_in_two.finish().unwrap().0, BTreeMap::from([("Patient".to_owned(), 1)]));
        prop_assert!(scan(left).is_err());
    }

    /// The scan accepts or refuses any bytes without a panic, and `serde_json` reads everything that the scan accepts.
    #[test]
    fn text_the_scan_accepts_is_also_read_by_serde_json(
        mut text in any_json().prop_map(|v| json!({"resourceType": "Bundle", "v": v}).to_string().into_bytes()),
        at in any::<prop::sample::Index>(), byte: u8,
    ) {
        let index = at.index(text.len());
        text[index] = byte;
        if scan(&text).is_ok() {
            prop_assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&text).is_ok());
        }
    }
}
