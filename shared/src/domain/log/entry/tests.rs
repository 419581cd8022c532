use super::*;

const RECORD: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
const RUN: &str = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8e";
const MINT: &str = r#"{"v":1,"at":"2026-11-25T10:03:22.123Z","what":"link_minted","by":"person","client":"c5Fzt1Jkxka-5pZpQsb13w","via":"record-read","purpose":"ias","record":"0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d","result":"json"}"#;

fn mint() -> LogEntry {
    LogEntry {
        at: Time::parse("2026-11-25T10:03:22.123Z").unwrap(),
        what: Access::LinkMinted,
        actor: Actor::Person {
            client: Some(ClientHash::parse("c5Fzt1Jkxka-5pZpQsb13w").unwrap()),
        },
        via: "record-read".into(),
        run: None,
        record: Some(RecordId::parse(RECORD).unwrap()),
        method: None,
        result: Some("json".into()),
    }
}

/// Known answer, computed with Python's `hashlib`.
#[test]
fn text_and_leaf_match_known_answers() {
    assert_eq!(mint().text(), MINT);
    assert_eq!(
        leaf(MINT).to_string(),
        "1a37bccdb68e6af9541d68a430f6de96c65d5d122aa51ade52f7be37e8fc7c83"
    );
}

#[test]
fn text_of_each_kind_of_entry_is_read_back() {
    let arn = OperatorArn::parse(r#"arn:aws:sts::123456789012:assumed-role/Admin/"nora"\"#).unwrap();
    for (what, actor) in Access::ALL.iter().zip(
        [Actor::Person { client: None }, Actor::Function, Actor::Operator { arn }]
            .into_iter()
            .cycle(),
    ) {
        let entry = LogEntry {
            what: *what,
            actor,
            run: Some(PullId::parse(RUN).unwrap()),
            method: Some("totp".into()),
            ..mint()
        };
        assert_eq!(LogEntry::parse(&entry.text()), Ok(entry));
    }
}

#[test]
fn text_of_another_form_is_refused_without_repeating_it() {
    for wrong in [
        "",
        "[]",
        &MINT.replace("\"v\":1", "\"v\":2"),
        &MINT.replace("link_minted", "CANARY"),
        &MINT.replace("\"person\"", "\"CANARY\""),
        &MINT.replace("\"ias\"", "\"treatment\""),
        &MINT.replace("\"v\":1", "\"v\":1,\"v\":1"),
        &MINT.replace("10:03:22.123Z", "10:03"),
    ] {
        let error = LogEntry::parse(wrong).unwrap_err();
        assert_eq!(error.to_string(), "not an entry of the access log", "{wrong}");
    }
}

#[test]
fn sort_key_begins_with_the_time() {
    let key = |run: Option<&str>, record: Option<&str>| {
        let run = run.map(|id| PullId::parse(id).unwrap());
        let record = record.map(|id| RecordId::parse(id).unwrap());
        LogEntry { run, record, ..mint() }.sort_key()
    };
    let time = "2026-11-25T10:03:22.123Z#link_minted";
    assert_eq!(key(None, None), time);
    assert_eq!(key(Some(RUN), None), format!("{time}#{RUN}"));
    assert_eq!(key(Some(RUN), Some(RECORD)), format!("{time}#{RECORD}"));
}

#[test]
fn actor_is_hidden_in_debug() {
    let arn = OperatorArn::parse("arn:aws:iam::123456789012:user/CANARY").unwrap();
    let shown = format!("{:?}{:?}", Actor::Operator { arn }, mint().actor);
    assert!(!shown.contains("CANARY") && !shown.contains("c5Fzt"), "{shown}");
    assert!(OperatorArn::parse("person").is_err());
}
