use super::*;
use crate::domain::input::{self, InputError};

const SHA: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

fn read(body: &serde_json::Value) -> Result<GivenConsent, InputError> {
    input::read(body.to_string().as_bytes(), GivenConsent::read)
}

fn pointers(body: &serde_json::Value) -> Vec<String> {
    match read(body) {
        Err(InputError::Faults(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
        other => panic!("{other:?}"),
    }
}

fn body() -> serde_json::Value {
    serde_json::json!({"noticeVersion": "2026-11", "noticeSha256": SHA, "scopes": ["pull", "keep"], "locale": "en-US"})
}

#[test]
fn consent_is_read_with_its_scopes() {
    let given = read(&body()).unwrap();
    assert_eq!(given.scopes, ConsentScope::ALL.into());
    assert_eq!(
        (given.notice_version.as_str(), given.locale.as_str()),
        ("2026-11", "en-US")
    );
    let consent = Consent::of(given.clone(), Time::from_millis(1));
    assert!(consent.keeps());
    assert_eq!(consent.given(), given);
}

#[test]
fn consent_without_pull_is_refused() {
    for scopes in [
        serde_json::json!(["keep"]),
        serde_json::json!([]),
        serde_json::json!(["pull", "pull"]),
        serde_json::json!(["pull", "read"]),
        serde_json::json!(["pull", 1]),
        serde_json::json!("pull"),
    ] {
        let mut wrong = body();
        wrong["scopes"] = scopes;
        assert_eq!(pointers(&wrong), ["/scopes"], "{wrong}");
    }
}

#[test]
fn each_wrong_field_of_a_consent_is_named() {
    assert_eq!(
        pointers(&serde_json::json!({"noticeVersion": "", "noticeSha256": SHA.to_uppercase(), "more": 1})),
        ["/more", "/noticeVersion", "/noticeSha256", "/scopes", "/locale"]
    );
    for locale in [
        "",
        "e",
        "english",
        "en_US",
        "en-",
        "-en",
        "1n",
        &format!("en-{}", "a".repeat(9)),
        &"en-aa".repeat(9),
    ] {
        let mut wrong = body();
        wrong["locale"] = locale.into();
        assert_eq!(pointers(&wrong), ["/locale"], "{locale}");
    }
}

#[test]
fn notice_with_a_malformed_part_is_refused() {
    let url = "https://app.example.test/notice";
    let notice = Notice::parse("1", SHA, url).unwrap();
    assert!(notice.has("1", SHA) && !notice.has("2", SHA) && !notice.has("1", &SHA.replace('9', "8")));
    for (version, sha256, url) in [
        ("", SHA, url),
        ("a b", SHA, url),
        ("1", "", url),
        ("1", "9f86", url),
        ("1", SHA, ""),
        ("1", SHA, "http://app.example.test/notice"),
    ] {
        assert!(Notice::parse(version, sha256, url).is_err(), "{version} {sha256} {url}");
    }
}
