//! The functions' log and messages never contain a person's data, a secret or a link, except a record's link in a
//! message. The tests cover success, failures of Metriport, AWS and functions, and panics.

mod canaries;
mod detector;
mod faults;
mod panics;

use std::collections::BTreeSet;

use reqwest::Method;
use sandbox_fhir::split;
use sandbox_machine::app::App;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::{Failure, Operation};
use serde_json::json;

use canaries::{Canaries, SUBJECT, UPSTREAM_WORDS, content, demographics, secrets_of};

use crate::harness::{Passed, Person, TestApp, until};

/// Functions of a pull; each must have logged before the test reads the log.
const FUNCTIONS: [&str; 5] = [
    "webhook-intake",
    "webhook-process",
    "network-query",
    "query-dispatch",
    "record-fetch",
];

/// Metrics that the log must contain. Otherwise the search of the log proves nothing.
const METRICS: [&str; 7] = [
    "PullsEnded",
    "RecordsEnded",
    "RecordBytes",
    "UpstreamErrors",
    "UpstreamLatency",
    "WebhooksAccepted",
    "WebhooksRefused",
];

fn upstream_error(code: u16) -> Failure {
    Failure::envelope(code, UPSTREAM_WORDS, &format!("{UPSTREAM_WORDS}: {}", demographics()))
}

/// Starts a sandbox whose record consists of canaries. Returns also a person whose data are canaries, and the signature
/// of their token, which is a canary too.
async fn start_with_canaries(time_scale: u32) -> (TestApp, Person, String) {
    let record = split(content().to_string().as_bytes()).expect("a record");
    let app = TestApp::with(|options| {
        options.stand_in.record = Some(record);
        options.stand_in.rate_limits = false;
        options.time_scale = time_scale;
        // Our own code logs at its finest level.
        options.extra_env.push(("LOG_LEVEL".to_owned(), "trace".to_owned()));
    })
    .await;
    let token = app.sandbox().token(SUBJECT, &serde_json::Map::new()).unwrap();
    let mut canarina = app.person(SUBJECT, "Jane").await;
    canarina.app = App::new(app.sandbox().host().base_url(), &token).unwrap();
    (app, canarina, token.rsplit('.').next().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_messages_never_contain_personal_data() {
    let (app, canarina, signature) = start_with_canaries(30).await;
    app.slow_queues(1).await;
    let watch = app.watch_queues();
    let mut secrets = Canaries(Vec::new());
    secrets.add("token", signature);

    send_malformed_demographics(&canarina).await;
    link_after_upstream_errors(&app, &canarina).await;
    verify_identity_after_refusals(&app, &canarina, &mut secrets).await;
    let passed = pass_challenge_after_an_error(&app, &canarina, &mut secrets).await;
    refuse_pull(&app, &canarina, &passed).await;
    let pull = start_pull(&app, &canarina, &mut secrets).await;
    send_odd_webhooks(&app).await;
    read_record(&canarina, &pull, &mut secrets).await;
    ask_for_records(&app, &canarina).await;
    report_record(&canarina, &pull).await;
    read_access_log(&app, &canarina).await;
    app.drain().await;

    let log = until_every_function_has_logged(&app).await;
    let bodies = watch.bodies();
    assert!(bodies.len() >= 7, "{} messages seen", bodies.len());
    assert_no_field_hides_another(&log);
    assert_metrics_are_codes(&app, &log);
    record_link(&bodies).assert_absent("the log", &log);
    let person = Canaries::of_the_person();
    // The token's subject is the external id. Metriport gets it, but the log and the messages must not contain it.
    let subject = Canaries(vec![("subject", SUBJECT.to_owned())]);
    for canaries in [&secrets, &person, &subject] {
        canaries.assert_absent("the log", &log);
        canaries.assert_absent("messages", &bodies);
    }
    // The table stores the external id, but only a hash of the demographics.
    let items = app.items().await;
    person.assert_absent("the table", &items);
    secrets.assert_absent("the table", &items);
    app.end().await;
}

/// Reports the pull's record, first with a text about a person.
async fn report_record(person: &Person, pull: &str) {
    let record = person.until_final_record(pull).await;
    let text = json!({ "reason": "Quibblesworth", "Yellowbird": "Canarina" });
    let reply = person.app.report_record(&record, &text).await.unwrap();
    assert_eq!(reply.status, 400);
    assert!(!reply.body.to_string().contains("Quibblesworth"), "{:?}", reply.body);
    person.report(&record, "other_person").await;
}

async fn send_malformed_demographics(person: &Person) {
    let mut malformed = demographics();
    malformed["dob"] = json!("CanaryContentDob");
    malformed["address"][0]["state"] = json!("Yellowbird");
    assert_eq!(person.app.put_patient(&malformed).await.unwrap().status, 400);
    for (name, value) in [("genderAtBirth", json!(["Quibblesworth"])), ("Quibblesworth", json!(1))] {
        let mut wrong = demographics();
        wrong[name] = value;
        assert_eq!(person.app.put_patient(&wrong).await.unwrap().status, 400);
    }
}

async fn link_after_upstream_errors(app: &TestApp, person: &Person) {
    for (failure, status) in [
        (upstream_error(400), 502),
        (upstream_error(500), 504),
        (Failure::ResetBeforeEffect, 504),
        (Failure::Garbage, 504),
    ] {
        app.stand_in().fail_next(Operation::CreatePatient, failure);
        // If Metriport did not answer, the change of the patient stays open for a moment.
        let refused = until("a change may begin", async || {
            let refused = person.app.put_patient(&demographics()).await.unwrap();
            (refused.code() != "patient_changing").then_some(refused)
        })
        .await;
        assert_eq!(refused.status, status, "{:?}", refused.body);
    }
    until("the patient is linked", async || {
        (person.app.put_patient(&demographics()).await.unwrap().status == 200).then_some(())
    })
    .await;
}

/// Passes an identity session, after our function and Metriport have each refused to open one.
async fn verify_identity_after_refusals(app: &TestApp, person: &Person, secrets: &mut Canaries) {
    let open = async |page: &str| person.app.open_identity_session(page).await.unwrap();
    assert_eq!(open("https://evil.example.test/CanaryContent").await.status, 400);
    app.stand_in()
        .fail_next(Operation::CreateIdentitySession, upstream_error(400));
    assert_eq!(open(IDENTITY_RETURN).await.status, 502);
    let opened = open(IDENTITY_RETURN).await;
    secrets.add("identity page", secrets_of(&opened.text("/sessionUrl")));
    person.browser.pass(&opened.text("/sessionUrl")).await.unwrap();
    person.until_identity("verified").await;
}

async fn pass_challenge_after_an_error(app: &TestApp, person: &Person, secrets: &mut Canaries) -> Passed {
    app.stand_in()
        .fail_next(Operation::CreateChallenge, upstream_error(500));
    assert_eq!(person.app.open_challenge(AAL2_RETURN).await.unwrap().status, 504);
    let opened = person.app.open_challenge(AAL2_RETURN).await.unwrap();
    secrets.add("challenge page", secrets_of(&opened.text("/challengeUrl")));
    let back = person.browser.pass(&opened.text("/challengeUrl")).await.unwrap();
    let session = back.session.unwrap();
    secrets.add("AAL2 session", session.clone());
    Passed {
        challenge: opened.text("/challengeId"),
        session,
    }
}

/// Asks for two pulls: our function refuses the first, and Metriport the second.
async fn refuse_pull(app: &TestApp, person: &Person, passed: &Passed) {
    let mut ask = passed.ask();
    ask.body["aal2Status"] = json!("Quibblesworth");
    assert_eq!(person.app.start_query(&ask).await.unwrap().status, 403);
    app.slow_queues(0).await;
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, upstream_error(400));
    let refused = person.app.start_query(&passed.ask()).await.unwrap();
    assert_eq!(refused.status, 202);
    let ended = person.until_ended(&refused.text("/id")).await;
    assert_eq!(ended.text("/status"), "failed");
}

/// Starts a pull with a new challenge. Metriport fails once while the query runs. Returns the pull's id.
async fn start_pull(app: &TestApp, person: &Person, secrets: &mut Canaries) -> String {
    let passed = person.pass_challenge().await;
    secrets.add("AAL2 session", passed.session.clone());
    app.stand_in()
        .fail_next(Operation::ReadNetworkQuery, upstream_error(500));
    app.slow_queues(1).await;
    let accepted = person.app.start_query(&passed.ask_of(&["hie"])).await.unwrap();
    accepted.text("/id")
}

/// Sends webhooks of an unknown type, about an unknown patient, and with a malformed signature.
async fn send_odd_webhooks(app: &TestApp) {
    let unknown = json!({ "meta": { "messageId": "u-1", "type": "patient.admit" }, "payload": demographics() });
    assert_eq!(app.send_signed(&unknown).await, 200);
    let mut stranger =
        json!({ "meta": { "messageId": "u-2", "type": "network-query.hie" }, "payload": demographics() });
    stranger["payload"]["patientId"] = json!("nobody-we-know");
    stranger["payload"]["source"] = json!({ "type": "hie", "status": "completed" });
    assert_eq!(app.send_signed(&stranger).await, 200);
    let unsigned = demographics().to_string();
    let refused = app.stand_in().send_raw(unsigned, Some("CanaryContent")).await;
    assert_eq!(refused, Ok(401));
}

/// Waits for the end of the pull, and downloads its final record.
async fn read_record(person: &Person, pull: &str, secrets: &mut Canaries) {
    let pull = person.until_ended(pull).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    let record = person.final_record(&pull).await;
    secrets.add("minted link", secrets_of(&record.text("/link/url")));
    let bytes = person.download(&record).await;
    assert!(String::from_utf8(bytes).unwrap().contains("CanaryContentNote"));
}

/// Asks for a record whose first transfer breaks off, for an unknown conversion, and for a malformed id.
async fn ask_for_records(app: &TestApp, person: &Person) {
    app.slow_queues(0).await;
    app.stand_in()
        .fail_next(Operation::DownloadFile, Failure::TruncateAfter(60));
    let id = person.ask_record(&json!({ "conversionType": "json" })).await;
    assert_eq!(person.until_record(&id).await.text("/status"), "available");
    let unknown_form = json!({ "conversionType": "CanaryContent" });
    assert_eq!(person.app.ask_record(&unknown_form).await.unwrap().status, 400);
    let no_id = person.app.send(Method::GET, "/v1/records/CanaryContentName", None);
    assert_eq!(no_id.await.unwrap().status, 404);
}

/// Reads the access log in both forms, with canaries as parameters, exports everything, and seals a day.
async fn read_access_log(app: &TestApp, person: &Person) {
    const LOG: &str = "/v1/me/access-log";
    assert_eq!(person.app.get(LOG).await.unwrap().status, 200);
    for query in [
        "cursor=CanaryContentName",
        "from=CanaryContentName",
        "CanaryContentName=1&to=x",
    ] {
        assert_eq!(person.app.get(&format!("{LOG}?{query}")).await.unwrap().status, 400);
    }
    let fhir = person
        .app
        .request(Method::GET, LOG)
        .header("accept", "application/fhir+json");
    assert_eq!(fhir.send().await.unwrap().status().as_u16(), 200);
    person.export().await;
    assert!(app.seal().await.unwrap() > 0);
}

async fn until_every_function_has_logged(app: &TestApp) -> Vec<String> {
    until("every function has logged", async || {
        let log = app.log();
        FUNCTIONS
            .iter()
            .all(|name| log.iter().any(|line| line.starts_with(name)))
            .then_some(log)
    })
    .await
}

fn assert_no_field_hides_another(log: &[String]) {
    for line in log.iter().filter(|line| line.contains("\"level\"")) {
        assert_eq!(
            line.matches("\"message\":").count(),
            1,
            "one field hides another: {line}"
        );
    }
}

/// The link of a record, as a canary. It may be in messages, and nowhere else.
fn record_link(bodies: &[String]) -> Canaries {
    let signature = bodies
        .iter()
        .find_map(|body| body.split("X-Amz-Signature=").nth(1)?.get(..64))
        .expect("a link in a message");
    Canaries(vec![
        ("record link", signature.to_owned()),
        ("bare", "X-Amz-Signature".to_owned()),
    ])
}

/// Checks that the searched log has the metrics of everything that happened. Their dimensions must be codes, so that
/// they cannot contain personal data that is not a canary.
fn assert_metrics_are_codes(app: &TestApp, log: &[String]) {
    let data = app.data();
    let names: BTreeSet<&str> = data.iter().map(|datum| datum.name.as_str()).collect();
    for name in METRICS {
        assert!(names.contains(name), "{name} was not measured: {names:?}");
        let quoted = format!("\"{name}\":");
        assert!(
            log.iter().any(|line| line.contains(&quoted)),
            "{name} is not in the log"
        );
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    for value in data.iter().flat_map(|datum| datum.dimensions.values()) {
        assert!(value.len() <= 32 && value.bytes().all(allowed), "{value} is not a code");
    }
}
