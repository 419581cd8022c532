//! The personas, whose networks behave differently, and the results of their pulls.

use sandbox_machine::app::{App, Reply};
use sandbox_metriport::Operation;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, refused, until};

fn source<'r>(pull: &'r Reply, kind: &str) -> &'r Value {
    let found = pull.list("/sources").iter().find(|source| source["type"] == kind);
    found.unwrap_or_else(|| panic!("no source {kind} in {:?}", pull.body))
}

fn statuses(pull: &Reply) -> [&str; 3] {
    ["hie", "pharmacy", "lab"].map(|kind| source(pull, kind)["status"].as_str().unwrap_or_default())
}

fn assert_completed(pull: &Reply) {
    assert_eq!(
        (pull.text("/status").as_str(), statuses(pull)),
        ("completed", ["completed"; 3]),
        "{:?}",
        pull.body
    );
}

async fn pull(person: &Person) -> Reply {
    person.verify_identity().await;
    person.pull().await
}

async fn ordinary(app: &TestApp) {
    let person = app.person("ordinary", "Jane").await;
    let pull = pull(&person).await;
    assert_completed(&pull);
    let record = person.final_record(&pull).await;
    assert_eq!(record.text("/status"), "available");
    assert!(record.number("/counts/Observation") > 0, "{:?}", record.body);
}

async fn no_data(app: &TestApp) {
    let person = app.person("no-data", "Nadia").await;
    let pull = pull(&person).await;
    assert_completed(&pull);
    let record = person.final_record(&pull).await;
    assert_eq!(
        (record.text("/status").as_str(), record.text("/next/action").as_str()),
        ("empty", "none")
    );
    for absent in ["link", "bytes", "sha256", "counts"] {
        assert_eq!(record.body.get(absent), None, "{:?}", record.body);
    }
}

/// The pharmacy fails without a webhook, so only a poll shows that.
async fn silent_source(app: &TestApp) {
    let person = app.person("silent", "Silas").await;
    let pull = pull(&person).await;
    assert_eq!(pull.text("/status"), "partial", "{:?}", pull.body);
    assert_eq!(statuses(&pull), ["completed", "failed", "completed"]);
    assert_eq!(person.final_record(&pull).await.text("/status"), "available");

    let timeline = person.timeline(&pull.text("/id")).await;
    let events = timeline.list("/events");
    let of = |code: &'static str| events.iter().filter(move |event| event["code"] == code);
    assert!(of("polled").count() > 0, "{events:?}");
    assert!(
        of("source_reported").all(|event| event["source"] != "pharmacy"),
        "{events:?}"
    );
    let request = of("started")
        .find_map(|event| event["request"].as_str())
        .expect("a started event")
        .to_owned();
    let deliveries = app.stand_in().deliveries();
    let of_pull = deliveries
        .iter()
        .filter(|delivery| delivery.request_id.as_ref() == Some(&request));
    let kinds: Vec<&str> = of_pull.map(|delivery| delivery.event_type.as_str()).collect();
    assert!(
        kinds.contains(&"network-query.hie") && !kinds.contains(&"network-query.pharmacy"),
        "{kinds:?}"
    );
}

/// Checks that the person can read the HIE record while the lab is still processing. Returns that record and the pull's
/// id.
async fn before_the_slow_source(person: &Person) -> (Reply, String) {
    person.verify_identity().await;
    let id = person.start().await;
    let hie = until("the HIE record is available", async || {
        let pull = person.read_pull(&id).await;
        let early = pull.list("/records").iter().find(|record| record["phase"] == "hie")?["id"]
            .as_str()?
            .to_owned();
        let record = person.record(&early).await;
        (record.text("/status") == "available").then_some(record)
    })
    .await;
    let bytes = person.download(&hie).await;
    assert_eq!(hie.number("/bytes"), bytes.len() as u64);
    let meanwhile = person.read_pull(&id).await;
    assert_eq!(meanwhile.text("/status"), "running", "{:?}", meanwhile.body);
    assert_eq!(
        (
            &source(&meanwhile, "hie")["status"],
            &source(&meanwhile, "lab")["status"]
        ),
        (&json!("completed"), &json!("processing"))
    );
    (hie, id)
}

async fn after_the_slow_source(person: &Person, hie: &Reply, id: &str) {
    let pull = person.until_ended(id).await;
    assert_completed(&pull);
    let record = person.final_record(&pull).await;
    assert_eq!(record.text("/phase"), "final");
    assert!(
        record.number("/bytes") > hie.number("/bytes"),
        "the laboratory added nothing"
    );
}

/// The stand-in refuses pharmacy and lab at once, as Metriport's sandbox does.
async fn sandbox_sources(app: &TestApp) {
    let person = app.person("sandboxed", "Robin").await;
    let pull = pull(&person).await;
    assert_eq!(pull.text("/status"), "partial", "{:?}", pull.body);
    assert_eq!(statuses(&pull), ["completed", "failed", "failed"]);
    let codes = ["hie", "pharmacy", "lab"].map(|kind| source(&pull, kind)["httpStatus"].clone());
    assert_eq!(codes, [Value::Null, json!(400), json!(400)]);
    assert_eq!(person.final_record(&pull).await.text("/status"), "available");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_persona_gets_the_data_of_its_networks() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in.rate_limits = false;
        options.stand_in.delays.lab_ms = 700;
    })
    .await;
    // The slow person pulls alone until the HIE record is available. The other persons pull while the slow person waits
    // for the final record.
    let slow = app.person("slow", "Sloan").await;
    let (hie, id) = before_the_slow_source(&slow).await;
    tokio::join!(
        ordinary(&app),
        no_data(&app),
        silent_source(&app),
        sandbox_sources(&app)
    );
    after_the_slow_source(&slow, &hie, &id).await;
    app.end().await;
}

async fn with_member_claim() -> TestApp {
    TestApp::with(|options| {
        options.stand_in.rate_limits = false;
        options
            .extra_env
            .push(("EXTERNAL_ID_CLAIM".to_owned(), "member".to_owned()));
    })
    .await
}

fn app_of(app: &TestApp, subject: &str, member: &str) -> App {
    app.app_with(subject, &json!({ "member": member }))
}

/// Replies to demographics that conflict with a link: with Ada's link, whose external id is `m-ada`, or with a link
/// that only Metriport knows.
async fn conflicting_links(app: &TestApp, ada: &Person) -> Vec<Reply> {
    let (wren, elsewhere) = (app.newcomer("wren", "Wren"), app.newcomer("elsewhere", "Jane"));
    let conflicts = [
        // Metriport knows the patient by another external id.
        ("wren", "m-wren", &wren),
        // The demographics are those of another patient of the account.
        ("bea", "m-bea", ada),
        // The token holds another person's external id.
        ("cora", "m-ada", &elsewhere),
        // The token holds another external id than before.
        ("ada", "m-other", ada),
        ("ada", "m-other", &elsewhere),
    ];
    let mut answers = Vec::new();
    for (subject, member, person) in conflicts {
        let put = app_of(app, subject, member).put_patient(person.demographics()).await;
        answers.push(put.unwrap());
    }
    answers
}

/// The table without patient items that have neither a link nor an open change. A refused attempt writes only a version
/// there.
async fn table_of_links(app: &TestApp) -> Vec<Value> {
    let mut table = app.table().await;
    table.retain(|item| item["sk"] != "PATIENT" || item.get("link").is_some() || item.get("intent").is_some());
    table
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_link_conflict_gets_one_answer_and_changes_nothing() {
    let app = with_member_claim().await;
    let ada = app.person("ada", "Jane").await;
    let linked = app_of(&app, "ada", "m-ada").put_patient(ada.demographics()).await;
    assert_eq!(linked.unwrap().status, 200);
    for subject in ["bea", "cora", "wren"] {
        app.person(subject, "Jane").await;
    }
    let before = table_of_links(&app).await;
    let updates = app.upstream(Operation::UpdatePatient);

    let answers = conflicting_links(&app, &ada).await;
    for answer in &answers {
        refused(answer, 409, "patient_link_refused", "contact_support");
        assert_eq!(answer.body, answers[0].body, "the answer reveals which conflict it is");
    }
    assert_eq!(table_of_links(&app).await, before);
    assert_eq!(
        app.upstream(Operation::UpdatePatient),
        updates,
        "another's patient was overwritten"
    );
    for (subject, member) in [("wren", "m-wren"), ("bea", "m-bea"), ("cora", "m-ada")] {
        let identity = app_of(&app, subject, member).identity().await.unwrap();
        assert_eq!(
            (&identity.body["patientLinked"], &identity.body["status"]),
            (&json!(false), &json!("not_started"))
        );
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn token_without_the_external_id_claim_is_refused() {
    let app = with_member_claim().await;
    let elsewhere = app.person("elsewhere", "Jane").await;
    let nameless = app.app_with("nameless", &json!({}));
    refused(
        &nameless.put_patient(elsewhere.demographics()).await.unwrap(),
        403,
        "token_incomplete",
        "sign_in",
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_proofing_never_counts_and_expires() {
    let app = TestApp::with(|options| {
        options.time_scale = 600;
        options.stand_in.session_ttl_secs = 3;
    })
    .await;
    let sam = app.person("sam", "Sam").await;
    assert_eq!(sam.link().await.status, 200);
    sam.pass_identity_page().await;
    app.until_delivered("ias.identity.verified", 1).await;
    assert_ne!(sam.identity().await, "verified");

    let challenge = sam
        .app
        .open_challenge(sandbox_machine::sandbox::AAL2_RETURN)
        .await
        .unwrap();
    refused(&challenge, 409, "identity_not_verified", "verify_identity");
    let ask = sandbox_machine::app::QueryAsk::everything("aalc_none", "aal2_none");
    refused(
        &sam.app.start_query(&ask).await.unwrap(),
        409,
        "identity_not_verified",
        "verify_identity",
    );

    sam.until_identity("expired").await;
    let identity = sam.app.identity().await.unwrap();
    assert_eq!(identity.text("/next/action"), "verify_identity");
    app.end().await;
}
