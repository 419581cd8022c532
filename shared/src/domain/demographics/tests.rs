use serde_json::{Value, json};

use super::*;

fn nora() -> Value {
    json!({
        "firstName": " Nora ", "lastName": "Quill", "dob": "1984-07-19", "genderAtBirth": "F",
        "address": [{"addressLine1": "77 Birch Ln", "city": "Dayton", "state": "oh", "zip": "45402"}],
        "contact": [{"phone": "+1 (937) 555-0142", "email": "nora.quill@example.test"}]
    })
}

fn parse_text(text: &str) -> Result<Demographics, Vec<String>> {
    let now = Time::parse("2026-11-22T00:00:00Z").unwrap();
    Demographics::parse(text.as_bytes(), now).map_err(|error| match error {
        InputError::Faults(errors) => errors.into_iter().map(|error| error.pointer).collect(),
        InputError::NotJson => panic!("{text}"),
    })
}

fn parse(value: &Value) -> Result<Demographics, Vec<String>> {
    parse_text(&value.to_string())
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = nora();
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[test]
fn texts_are_normalised_as_metriport_does() {
    let json = serde_json::to_value(parse(&nora()).unwrap()).unwrap();
    assert_eq!(json["firstName"], "Nora");
    assert_eq!(json["address"][0]["state"], "OH");
    assert_eq!(json["address"][0]["country"], "USA");
    assert_eq!(json["contact"][0]["phone"], "9375550142");
    let single = with("/address", nora()["address"][0].clone());
    assert_eq!(parse(&single).unwrap(), parse(&nora()).unwrap());
}

#[test]
fn faults_of_many_wrong_entries_are_limited() {
    for list in ["/address", "/contact"] {
        let refused = parse(&with(list, Value::Array(vec![json!({}); 100_000]))).unwrap_err();
        assert!(
            refused.contains(&list.to_owned()) && refused.len() <= 1 + 4 * ENTRIES_MAX,
            "{list}"
        );
    }
}

#[test]
fn each_wrong_value_is_refused_with_its_pointer() {
    let cases = [
        ("/firstName", json!("  ")),
        ("/firstName", json!(null)),
        ("/dob", json!("1984-7-19")),
        ("/dob", json!("1899-12-31")),
        ("/dob", json!("2026-11-23")),
        ("/dob", json!("1984-02-30")),
        ("/genderAtBirth", json!("female")),
        ("/genderAtBirth", json!(["F"])),
        (
            "/address/0",
            json!(["77 Birch Ln", null, "Dayton", "OH", "45402", null]),
        ),
        ("/address/0/state", json!("ZZ")),
        ("/address/0/state", json!("MP")),
        ("/address/0/state", json!("FM")),
        ("/address/0/zip", json!("12345")),
        ("/address/0/zip", json!(45402)),
        ("/address/0/zip", json!("45402-1234")),
        ("/contact/0", json!(["9375550142", null])),
        ("/contact/0/phone", json!("555-0142")),
        ("/contact/0/email", json!("nora at example")),
    ];
    for (pointer, value) in cases {
        assert_eq!(parse(&with(pointer, value)).unwrap_err(), [pointer]);
    }
    assert_eq!(parse(&with("/address", json!([]))).unwrap_err(), ["/address"]);
    assert_eq!(parse(&with("/contact", json!([]))).unwrap_err(), ["/contact"]);
    assert_eq!(parse(&with("/contact/0", json!({}))).unwrap_err(), ["/contact/0"]);
}

#[test]
fn email_that_metriport_refuses_is_refused() {
    let is_taken = |email: &str| parse(&with("/contact/0/email", json!(email))).is_ok();
    for email in ["n.q+x@a-b.example", "jösé@bücher.example", "a@b.xn--p1ai"] {
        assert!(is_taken(email), "{email}");
    }
    let long = format!("{}@example.test", "n".repeat(65));
    for email in [
        "mailto:nora@example.test",
        "nora..quill@example.test",
        "nora,quill@example.test",
        "nora@example.t",
        "nora@example",
        "nora@-example.test",
        "+1nora@example.test",
        "\"nora quill\"@example.test",
        " nora@example.test",
        "no\u{200b}ra@example.test",
        "",
        &long,
    ] {
        assert!(!is_taken(email), "{email}");
    }
}

/// Metriport accepts these names, but they look like names without the invisible character.
#[test]
fn invisible_character_in_a_name_is_refused() {
    for hidden in [
        '\0', '\u{ad}', '\u{200d}', '\u{202e}', '\u{2028}', '\u{2029}', '\u{e000}', '\u{378}', '\u{85}',
    ] {
        for name in [format!("No{hidden}ra"), format!("{hidden}Nora")] {
            let trimmed = hidden.is_whitespace() && hidden != '\u{85}' && name.starts_with(hidden);
            assert_eq!(parse(&with("/firstName", json!(name))).is_ok(), trimmed, "{name:?}");
        }
    }
    for name in ["Zoë", "李小龍", "O’Brien-Smith", "Nǃxau", "n\u{303}", "𝒩ora"] {
        assert!(parse(&with("/lastName", json!(name))).is_ok(), "{name}");
    }
}

#[test]
fn length_of_a_text_counts_characters() {
    assert!(parse(&with("/firstName", json!("é".repeat(200)))).is_ok());
    let refused = parse(&with("/firstName", json!("é".repeat(201))));
    assert_eq!(refused.unwrap_err(), ["/firstName"]);
}

#[test]
fn all_faults_are_named_at_once() {
    let text = r#"{"firstName":"","lastName":"Quill","dob":"07/19/1984","genderAtBirth":"q","ssn":"x","dob":"",
        "address":{"addressLine1":"77 Birch Ln","city":"Dayton","state":"Ohio","zip":45402,"county":"X"},
        "contact":{"phone":"9375550142"}}"#;
    let expected = [
        "/ssn",
        "/dob",
        "/firstName",
        "/dob",
        "/genderAtBirth",
        "/address/county",
        "/address/state",
        "/address/zip",
    ];
    assert_eq!(parse_text(text).unwrap_err(), expected);
    let array =
        r#"["Nora","Quill","1984-07-19","F",[["77 Birch Ln",null,"Dayton","OH","45402",null]],[["9375550142",null]]]"#;
    assert_eq!(parse_text(array).unwrap_err(), [""]);
}

#[test]
fn errors_and_debug_hide_values() {
    let mut body = with("/dob", json!("CANARY"));
    body["genderAtBirth"] = json!("CANARY");
    let errors = Demographics::parse(body.to_string().as_bytes(), Time::default()).unwrap_err();
    assert!(!format!("{errors:?}").contains("CANARY"));
    assert_eq!(format!("{:?}", parse(&nora()).unwrap()), "[demographics]");
}
