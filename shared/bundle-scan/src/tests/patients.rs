//! The fields of Patients, as the sink receives them.

use super::super::json::RAW_MAX;
use super::*;

/// Writes each call as a line.
#[derive(Default)]
struct Lines(Vec<String>);

impl ResourceSink for Lines {
    fn text(&mut self, field: PatientField, raw: &[u8]) {
        self.0.push(format!("{field:?} {}", String::from_utf8_lossy(raw)));
    }
    fn unclear(&mut self, field: PatientField) {
        self.0.push(format!("{field:?} is unclear"));
    }
    fn end_name(&mut self) {
        self.0.push("end of a name".to_owned());
    }
    fn end_resource(&mut self, is_patient: bool) {
        self.0.push(format!("end, Patient: {is_patient}"));
    }
}

/// The calls for a Bundle with these resources, in pieces of `size` bytes.
fn lines_in_pieces(resources: &[&str], size: usize) -> Vec<String> {
    let entries: Vec<String> = resources
        .iter()
        .map(|resource| format!(r#"{{"resource":{resource}}}"#))
        .collect();
    let bundle = format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, entries.join(","));
    let mut scan = BundleScan::new(Lines::default());
    bundle
        .as_bytes()
        .chunks(size)
        .for_each(|piece| scan.push(piece).unwrap());
    scan.finish().unwrap().1.0
}

fn lines(resource: &str) -> Vec<String> {
    lines_in_pieces(&[resource], usize::MAX)
}

#[test]
fn fields_of_a_patient_arrive_wherever_the_stream_is_cut() {
    let patient = concat!(
        r#"{"id":"p\u00311","resourceType":"Patient", "name" : [{"use":"official","family":"Qu\"ill\\\u00e9é","given":["#,
        r#""Nora" , null,{"a":"b"},["c"], "Ann"]},{"text":"N"}],"birthDate":"1984-07-19","contact":[{"name":{"family":"X"},"#,
        r#""id":"7"}],"link":{"id":"8"},"identifier":[{"birthDate":"9"}]}"#
    );
    let expected = [
        r"Id p\u00311",
        r#"Family Qu\"ill\\\u00e9é"#,
        "Given Nora",
        "Given Ann",
        "end of a name",
        "end of a name",
        "BirthDate 1984-07-19",
        "end, Patient: true",
    ];
    for size in 1..=patient.len() {
        assert_eq!(lines_in_pieces(&[patient], size), expected, "pieces of {size}");
    }
    let padded = format!(r#"{{"text":"{}",{}"#, " ".repeat(WINDOW), &patient[1..]);
    assert_eq!(lines(&padded), expected);
}

#[test]
fn fields_after_another_type_do_not_arrive() {
    let other = r#"{"resourceType":"Practitioner","id":"1","name":[{"family":"Quill"}],"birthDate":"1984-07-19"}"#;
    assert_eq!(lines(other), ["end, Patient: false"]);
    let late = r#"{"id":"1","name":[{"family":"Quill"}],"resourceType":"Practitioner","birthDate":"1984-07-19"}"#;
    let expected = ["Id 1", "Family Quill", "end of a name", "end, Patient: false"];
    assert_eq!(lines(late), expected);
    assert_eq!(lines(r#"{"id":"1"}"#), ["Id 1", "end, Patient: false"]);
    let twice = lines_in_pieces(&[other, r#"{"id":"2","resourceType":"Patient"}"#], usize::MAX);
    assert_eq!(twice, ["end, Patient: false", "Id 2", "end, Patient: true"]);
}

#[test]
fn values_of_other_types_are_not_texts_of_a_patient() {
    for odd in [
        r#"{"resourceType":"Patient","id":7,"name":"Quill","birthDate":null}"#,
        r#"{"resourceType":"Patient","id":["7"],"name":{"family":"Quill"},"birthDate":{"id":"7"}}"#,
        r#"{"resourceType":"Patient","name":["Quill",["Quill"]]}"#,
        r#"{"resourceType":"Patient","contained":[{"resourceType":"Patient","id":"7"}]}"#,
    ] {
        assert_eq!(lines(odd), ["end, Patient: true"], "{odd}");
    }
    let name = r#"{"resourceType":"Patient","name":[{"given":"Nora","family":["Quill"]}]}"#;
    assert_eq!(lines(name), ["Given Nora", "end of a name", "end, Patient: true"]);
}

#[test]
fn doubled_field_is_unclear_and_never_refused() {
    let doubled = r#"{"resourceType":"Patient","id":"1","id":"2","birthDate":"x","birthDate":"y","name":[],"name":5}"#;
    let expected = [
        "Id 1",
        "Id is unclear",
        "Id 2",
        "BirthDate x",
        "BirthDate is unclear",
        "BirthDate y",
        "Name is unclear",
        "end, Patient: true",
    ];
    assert_eq!(lines(doubled), expected);
    let name = r#"{"resourceType":"Patient","name":[{"family":"a","family":5,"given":[],"given":[]},{"family":"b"}]}"#;
    let expected = [
        "Family a",
        "Family is unclear",
        "Given is unclear",
        "end of a name",
        "Family b",
        "end of a name",
        "end, Patient: true",
    ];
    assert_eq!(lines(name), expected);
    let escaped = r#"{"resourceType":"Patient","name":[{"f\u0061mily":"a","text":"\u0061"}]}"#;
    assert_eq!(
        lines(escaped),
        ["Name is unclear", "end of a name", "end, Patient: true"]
    );
}

#[test]
fn longest_text_arrives_whole_and_a_longer_one_is_unclear() {
    let patient = |text: &str| format!(r#"{{"resourceType":"Patient","name":[{{"given":["{text}"]}}]}}"#);
    for unit in ["x", "\\u00e9"] {
        let text = unit.repeat(RAW_MAX / unit.len());
        let given = |text: &str| lines_in_pieces(&[&patient(text)], 1000).remove(0);
        assert_eq!(given(&text), format!("Given {text}"));
        assert_eq!(given(&(text + "x")), "Given is unclear");
    }
    assert_eq!(lines(&patient(&"x".repeat(1_000_000)))[0], "Given is unclear");
}

/// The lexer holds no more of a text than it reports, however long the text is.
#[test]
fn hostile_texts_do_not_grow_the_scan() {
    let begin = br#"{"resourceType":"Bundle","entry":[{"resource":{"name":[{"family":""#;
    let mut scan = BundleScan::new(Lines::default());
    scan.push(begin).unwrap();
    for _ in 0..1_000 {
        scan.push(&br"\u0061".repeat(1_000)).unwrap();
    }
    assert!(scan.lexer.text_bytes() <= 2 * (RAW_MAX + 1));
    scan.push(br#"","#).unwrap();
    for number in 0..100_000 {
        scan.push(format!(r#""k{number}":"v","#).as_bytes()).unwrap();
    }
    scan.push(br#""z":1}]}}]}"#).unwrap();
    let (_, Lines(lines)) = scan.finish().unwrap();
    assert_eq!(lines, ["Family is unclear", "end of a name", "end, Patient: false"]);
}
