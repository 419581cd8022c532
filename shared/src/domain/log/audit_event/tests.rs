use super::*;
use crate::domain::{ClientHash, OperatorArn, PullId, RecordId, Time};

const RUN: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8e";
const RECORD: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
const SAMPLE: &str = include_str!("../../../../../tests/fixtures/audit-events.json");

fn actors() -> [Actor; 4] {
    [
        Actor::Person {
            client: Some(ClientHash::parse("c5Fzt1Jkxka-5pZpQsb13w").unwrap()),
        },
        Actor::Person { client: None },
        Actor::Function,
        Actor::Operator {
            arn: OperatorArn::parse("arn:aws:iam::123456789012:user/operator").unwrap(),
        },
    ]
}

/// One entry of each kind, with actors and objects in turn.
fn texts() -> Vec<String> {
    let kinds = Access::ALL
        .iter()
        .copied()
        .zip(actors().into_iter().cycle())
        .enumerate();
    kinds
        .map(|(index, (what, actor))| LogEntry {
            at: Time::from_millis(1_795_600_800_000 + index as i64),
            what,
            actor,
            via: "record-read".into(),
            run: (index % 2 == 0).then(|| PullId::parse(RUN).unwrap()),
            record: (index % 3 == 0).then(|| RecordId::parse(RECORD).unwrap()),
            method: (what == Access::ChallengeOpened).then(|| "totp".into()),
            result: (what == Access::PullEnded).then(|| "partial".into()),
        })
        .map(|entry| entry.text())
        .collect()
}

fn bundle(texts: &[String], next: Option<&str>) -> Value {
    let owner = OwnerId::parse("v1.nora").unwrap();
    let bundle = AuditBundle {
        owner: &owner,
        stack: "ias",
        page: "https://api.example.test/v1/me/access-log",
        next,
    };
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    bundle.render(&texts).unwrap()
}

/// FHIR validators check that file.
#[test]
fn bundle_of_every_access_equals_the_sample() {
    let bundle = bundle(&texts(), Some("https://api.example.test/v1/me/access-log?cursor=2"));
    let sample: Value = serde_json::from_str(SAMPLE).unwrap();
    assert!(bundle == sample, "{bundle:#}");
}

#[test]
fn each_event_has_the_required_elements() {
    for entry in bundle(&texts(), None)["entry"].as_array().unwrap() {
        let event = &entry["resource"];
        for required in [
            "/type/code",
            "/recorded",
            "/agent/0/requestor",
            "/source/observer/identifier/value",
        ] {
            assert!(event.pointer(required).is_some(), "{required} in {event}");
        }
        let agents = event["agent"].as_array().unwrap();
        let initiators = agents.iter().filter(|agent| agent["requestor"] == true).count();
        assert!(initiators <= 1, "{event}");
    }
}

#[test]
fn operator_and_person_are_initiators_and_a_function_is_not() {
    let [with_app, person, function, operator] = [0, 1, 2, 3].map(|index| {
        let bundle = bundle(&texts()[index..=index], None);
        bundle["entry"][0]["resource"]["agent"].clone()
    });
    let system = |agent: &Value| agent["who"]["identifier"]["system"].clone();
    assert_eq!(system(&with_app[0]), "urn:individual-access:owner");
    assert_eq!(system(&with_app[1]), "urn:individual-access:client");
    assert_eq!((&person[0]["requestor"], person.get(1)), (&json!(true), None));
    assert_eq!(
        (system(&function[0]), &function[0]["requestor"]),
        (json!("urn:individual-access:function"), &json!(false))
    );
    assert_eq!(
        (system(&operator[0]), &operator[0]["requestor"]),
        (json!("urn:individual-access:operator"), &json!(true))
    );
}

#[test]
fn full_urls_are_distinct_uuids_of_version_8() {
    let bundle = bundle(&texts(), None);
    let urls: std::collections::BTreeSet<_> = bundle["entry"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["fullUrl"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(urls.len(), Access::ALL.len());
    for url in urls {
        let uuid = Uuid::try_parse(url.strip_prefix("urn:uuid:").unwrap()).unwrap();
        assert_eq!(
            (uuid.get_version_num(), uuid.get_variant()),
            (8, uuid::Variant::RFC4122)
        );
    }
}

#[test]
fn bundle_without_entries_has_no_empty_list() {
    let bundle = bundle(&[], None);
    assert_eq!((bundle.get("entry"), bundle["link"].get(1)), (None, None));
}

#[test]
fn text_that_is_no_entry_is_refused() {
    let owner = OwnerId::parse("v1.nora").unwrap();
    let bundle = AuditBundle {
        owner: &owner,
        stack: "ias",
        page: "https://api.example.test",
        next: None,
    };
    assert_eq!(bundle.render(&["{}"]), Err(LogEntryError));
}
