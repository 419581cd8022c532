//! `ias account touched`: the persons whose records were touched within a span of time, and the operator's own entry.

use std::time::Duration;

use sandbox_machine::sandbox::ISSUER;
use serde_json::{Value, json};
use shared::clock;
use shared::domain::Time;

use super::Operator;
use crate::harness::{Person, TestApp};

/// Two persons who use two apps. The first has linked a patient and opened an identity session, the second only linked
/// a patient.
async fn two_persons(app: &TestApp) -> [Person; 2] {
    let mut persons = [app.person("nora", "Jane").await, app.person("omar", "Jane").await];
    persons[0].app = app.app_with("nora", &json!({ "client_id": "first-app" }));
    persons[1].app = app.app_with("omar", &json!({ "client_id": "second-app" }));
    assert_eq!(persons[0].link().await.status, 200);
    assert_eq!(
        persons[1].app.put_patient(&persons[1].moved()).await.unwrap().status,
        200
    );
    persons[0].pass_identity_page().await;
    persons[0].until_identity("verified").await;
    persons
}

/// The command's lines, without the last one.
fn lines(output: &str) -> Vec<&str> {
    let mut lines: Vec<&str> = output.lines().collect();
    let last = lines.pop().expect("a conclusion");
    assert!(last.starts_with(&format!("persons={}: ", lines.len())), "{output}");
    lines
}

fn span(from: Time, to: Time) -> [String; 6] {
    [
        "account",
        "touched",
        "--from",
        &from.to_string(),
        "--to",
        &to.to_string(),
    ]
    .map(str::to_owned)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn touched_persons_are_listed_with_their_entries() {
    let app = TestApp::start().await;
    let (begun, operator) = (clock::now(), Operator::of(&app));
    two_persons(&app).await;
    let minute = Duration::from_secs(60);
    let asked = async |span: &[String], more: &[&str]| {
        let span: Vec<&str> = span.iter().map(String::as_str).chain(more.iter().copied()).collect();
        operator.types(&span).await
    };
    let (now, before) = (
        span(begun, clock::now().plus(minute)),
        span(begun.minus(minute), begun.minus(minute)),
    );

    let all = asked(&now, &[]).await.well(&["fewer than 500"]);
    let all = lines(&all);
    let [nora, omar] = ["nora", "omar"].map(|id| all.iter().find(|line| line.contains(&format!(" external_id={id} "))));
    assert!(nora.is_some_and(|line| line.contains(" entries=4 ")), "{all:?}");
    assert!(
        omar.is_some_and(|line| line.starts_with("owner=v1.") && line.contains(" entries=2 ")),
        "{all:?}"
    );

    let by_webhook = asked(&now, &["--function", "webhook-process"]).await.well(&[]);
    assert!(
        matches!(&lines(&by_webhook)[..], [line] if line.contains(" external_id=nora entries=1 ")),
        "{by_webhook}"
    );
    let by_app = asked(&now, &["--client", "second-app", "--issuer", ISSUER])
        .await
        .well(&[]);
    assert!(
        matches!(&lines(&by_app)[..], [line] if line.contains(" external_id=omar ")),
        "{by_app}"
    );
    asked(&before, &[])
        .await
        .well(&["persons=0: no person has such an entry"]);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn list_of_touched_persons_is_an_entry_itself() {
    let app = TestApp::start().await;
    let (begun, operator) = (clock::now(), Operator::of(&app));
    two_persons(&app).await;
    let span = span(begun, clock::now());
    let span: Vec<&str> = span.iter().map(String::as_str).collect();
    operator.types(&span).await.well(&["persons=2"]);
    let items = app.scan().await;
    let of_operators: Vec<&Value> = items.iter().filter(|item| item["pk"] == "LOG#operators").collect();
    let [entry] = of_operators[..] else {
        panic!("{of_operators:?}");
    };
    assert_eq!(
        (&entry["what"], &entry["via"]),
        (&json!("touched_listed"), &json!("touched"))
    );
    assert_eq!(entry["who"], "arn:aws:iam::000000000000:user/OPERATOR");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_options_of_touched_are_refused_without_an_entry() {
    let app = TestApp::start().await;
    let operator = Operator::of(&app);
    let now = clock::now();
    let backwards = span(now.plus(Duration::from_secs(1)), now);
    let backwards: Vec<&str> = backwards.iter().map(String::as_str).collect();
    operator.types(&backwards).await.badly(&["--from is later than --to"]);
    let forward = span(now, now);
    let forward: Vec<&str> = forward.iter().map(String::as_str).collect();
    for (options, reason) in [
        (&["--function", "record-reader"][..], "possible values"),
        (&["--client", "app"], "--issuer"),
        (&["--table", "other-Table"], "ResourceNotFoundException"),
    ] {
        let ended = operator.types(&[&forward[..], options].concat()).await;
        assert!(
            ended.code != Some(0) && ended.output.contains(reason),
            "{}",
            ended.output
        );
    }
    let items = app.scan().await;
    assert!(items.iter().all(|item| item["pk"] != "LOG#operators"), "{items:?}");
    app.end().await;
}
