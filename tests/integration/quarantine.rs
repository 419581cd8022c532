//! Records that may be another person's: from one pull on, nothing of them is shown in any form, whether a Patient of a
//! record differs or the person reports one.

mod races;

use sandbox_machine::app::Reply;
use sandbox_metriport::Operation;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, pointers, refused};
use crate::records::transfers::{answer, hurried};

const STRANGER: &str = r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p-2"}}]}"#;
pub(crate) const JSON: fn() -> Value = || json!({ "conversionType": "json" });

/// Lets Metriport deliver a record with another Patient next.
pub(crate) fn deliver_stranger(app: &TestApp) {
    app.stand_in().fail_next(Operation::DownloadFile, answer(200, STRANGER));
}

/// A verified person with one pull from one source; returns also the id of the pull's only record.
pub(crate) async fn with_pull(app: &TestApp, subject: &str) -> (Person, String) {
    let person = app.person(subject, "Jane").await;
    person.verify_identity().await;
    let record = pull_again(&person).await;
    (person, record)
}

/// Pulls from one source; returns the id of the pull's only record.
pub(crate) async fn pull_again(person: &Person) -> String {
    let pull = person.until_ended(&person.start_from(&["lab"]).await).await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    pull.list("/records")[0]["id"].as_str().expect("a record").to_owned()
}

/// The access log's entries of this kind.
pub(crate) async fn entries(app: &TestApp, what: &str) -> Vec<Value> {
    let mut items = app.scan().await;
    items.retain(|item| item["what"] == what);
    items
        .iter()
        .map(|item| serde_json::from_str(item["entry"].as_str().expect("an entry")).expect("JSON"))
        .collect()
}

/// Checks that a reply for one record, or one line of a list, shows nothing of its object.
#[track_caller]
pub(crate) fn assert_hidden(record: &Value) {
    assert_eq!(record["status"], "quarantined", "{record}");
    assert_eq!(record["next"], json!({ "action": "contact_support" }));
    for name in ["link", "bytes", "sha256", "counts", "reason"] {
        assert!(record.get(name).is_none(), "{name}: {record}");
    }
}

async fn until_form(person: &Person, form: &str) -> String {
    let id = person.ask_record(&json!({ "conversionType": form })).await;
    assert_eq!(person.until_record(&id).await.text("/status"), "available", "{form}");
    id
}

#[track_caller]
fn assert_refused(reply: &Reply) {
    refused(reply, 409, "record_quarantined", "contact_support");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn different_patient_hides_every_form_from_its_pull_on() {
    let app = hurried().await;
    let (nora, earlier) = with_pull(&app, "nora").await;
    let of_pull = pull_again(&nora).await;
    let (pdf, html) = (until_form(&nora, "pdf").await, until_form(&nora, "html").await);
    assert!(nora.record(&pdf).await.body.get("link").is_some());
    deliver_stranger(&app);
    let different = nora.ask_record(&JSON()).await;
    assert_eq!(nora.until_record(&different).await.text("/status"), "quarantined");

    let list = nora.records().await;
    for id in [&of_pull, &pdf, &html, &different] {
        assert_hidden(&nora.record(id).await.body);
        let line = list.list("/records").iter().find(|record| record["id"] == **id);
        assert_hidden(line.expect("a line"));
    }
    let pulls = nora.app.get("/v1/network-queries").await.unwrap();
    let actions = pulls.list("/networkQueries").iter().map(|pull| &pull["next"]["action"]);
    assert_eq!(actions.collect::<Vec<_>>(), ["contact_support", "read_record"]);
    let shown = nora.record(&earlier).await;
    assert_eq!(shown.text("/status"), "available");
    assert!(!nora.download(&shown).await.is_empty());
    let quarantine = &list.body["quarantine"];
    assert_eq!(
        (&quarantine["status"], &quarantine["reasons"]),
        (&json!("quarantined"), &json!(["different_patient_id"]))
    );
    assert_eq!(app.until_metric("RecordsQuarantined", &[], 1).await, [1.0]);
    let logged = entries(&app, "quarantined").await;
    assert_eq!(logged.len(), 1);
    assert_eq!(
        (&logged[0]["by"], &logged[0]["result"], &logged[0]["record"]),
        (&json!("function"), &json!("different_patient_id"), &json!(different))
    );
    assert!(!logged[0].to_string().contains("p-2"));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantined_person_gets_neither_pull_nor_record() {
    let app = hurried().await;
    let (nora, _) = with_pull(&app, "nora").await;
    let passed = nora.pass_challenge().await;
    deliver_stranger(&app);
    let id = nora.ask_record(&JSON()).await;
    assert_eq!(nora.until_record(&id).await.text("/status"), "quarantined");
    app.drain().await;
    let before = app.snapshot().await;
    for form in ["json", "pdf", "html"] {
        let asked = nora.app.ask_record(&json!({ "conversionType": form })).await;
        assert_refused(&asked.unwrap());
    }
    assert_refused(&nora.app.start_query(&passed.ask()).await.unwrap());
    let page = sandbox_machine::sandbox::AAL2_RETURN;
    assert_refused(&nora.app.open_challenge(page).await.unwrap());
    assert_eq!(app.snapshot().await, before);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reported_record_is_hidden_and_a_second_report_changes_nothing() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    let keyed = nora.app.with_key("report");
    let body = json!({ "reason": "other_person" });
    let first = keyed.report_record(&record, &body).await.unwrap();
    assert_eq!((first.status, first.text("/status").as_str()), (202, "quarantined"));
    assert_eq!(first.text("/next/action"), "contact_support");
    assert_hidden(&nora.record(&record).await.body);
    let before = app.snapshot().await;
    assert_eq!(keyed.report_record(&record, &body).await.unwrap().body, first.body);
    assert_eq!(nora.report(&record, "other_person").await.body, first.body);
    assert_eq!(app.snapshot().await, before);
    assert_eq!(nora.records().await.body["quarantine"], first.body);
    let further = nora.report(&record, "unknown_care").await;
    assert_eq!(further.body["reasons"], json!(["other_person", "unknown_care"]));
    assert_eq!(further.body["purgeBy"], first.body["purgeBy"]);
    let logged = entries(&app, "not_me").await;
    let results: Vec<_> = logged.iter().map(|entry| (&entry["by"], &entry["result"])).collect();
    assert_eq!(
        results,
        [
            (&json!("person"), &json!("other_person")),
            (&json!("person"), &json!("unknown_care"))
        ]
    );
    assert_eq!(entries(&app, "quarantined").await.len(), 2);
    app.end().await;
}

/// The quarantine covers the further record already, but the report is an access of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_of_a_further_record_leaves_its_entry() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    let further = until_form(&nora, "pdf").await;
    let first = nora.report(&record, "other_person").await;
    let second = nora.report(&further, "other_person").await;
    assert_eq!(second.body, first.body);
    let logged = entries(&app, "not_me").await;
    let records: Vec<_> = logged.iter().map(|entry| entry["record"].as_str()).collect();
    assert_eq!(records, [Some(record.as_str()), Some(further.as_str())]);
    assert_eq!(entries(&app, "quarantined").await.len(), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_report_is_refused_and_changes_nothing() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    let omar = app.person("omar", "Jane").await;
    app.drain().await;
    let before = app.snapshot().await;
    for reason in [
        json!("different_name"),
        json!("quarantined"),
        json!("other_person "),
        json!("x".repeat(100_000)),
        json!("\u{202e}other"),
        json!(["other"]),
        json!({ "other": true }),
        json!(7),
        Value::Null,
    ] {
        let reply = nora.app.report_record(&record, &json!({ "reason": reason })).await;
        let reply = reply.unwrap();
        refused(&reply, 400, "invalid_request", "fix_request");
        assert_eq!(pointers(&reply), ["/reason"]);
    }
    let more = json!({ "reason": "other", "text": "It is my neighbour's." });
    let reply = nora.app.report_record(&record, &more).await.unwrap();
    refused(&reply, 400, "invalid_request", "fix_request");
    let body = json!({ "reason": "other" });
    refused(
        &omar.app.report_record(&record, &body).await.unwrap(),
        404,
        "not_found",
        "none",
    );
    assert_eq!(app.snapshot().await, before);
    assert!(!app.log().join("\n").contains("neighbour"));
    app.end().await;
}

/// A person must be able to report, even if no gate lets them read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_who_withdrew_or_moved_can_report() {
    let app = hurried().await;
    let (nora, record) = with_pull(&app, "nora").await;
    assert_eq!(nora.app.put_patient(&nora.moved()).await.unwrap().status, 200);
    refused(
        &nora.record(&record).await,
        409,
        "identity_not_verified",
        "verify_identity",
    );
    nora.report(&record, "other_person").await;
    assert_eq!(nora.app.withdraw_consent().await.unwrap().status, 200);
    refused(&nora.record(&record).await, 403, "consent_required", "give_consent");
    let reported = nora.report(&record, "mixed_persons").await;
    assert_eq!(reported.body["reasons"], json!(["other_person", "mixed_persons"]));
    nora.give_consent().await;
    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    assert_hidden(&nora.record(&record).await.body);
    app.end().await;
}

/// A stack whose app keeps consents has no root item before the report.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn report_without_a_stored_root_hides_the_record() {
    let app = TestApp::with(|options| options.notice = None).await;
    let nora = app.newcomer("nora", "Jane");
    nora.verify_identity().await;
    let record = pull_again(&nora).await;
    nora.report(&record, "other").await;
    assert_hidden(&nora.record(&record).await.body);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_and_overdue_quarantines_are_counted_by_reconcile() {
    let app = TestApp::start().await;
    let (nora, record) = with_pull(&app, "nora").await;
    app.reconcile().await;
    assert!(app.metric_values("QuarantinesActive", &[]).is_empty());
    nora.report(&record, "other").await;
    app.drain().await;
    app.reconcile().await;
    assert_eq!(app.until_metric("QuarantinesActive", &[], 1).await, [1.0]);
    assert!(app.metric_values("QuarantinesOverdue", &[]).is_empty());
    set_deadline_to_the_past(&app).await;
    app.reconcile().await;
    assert_eq!(app.until_metric("QuarantinesOverdue", &[], 1).await, [1.0]);
    // The quarantine is not work that a message could advance.
    assert!(app.metric_values("OverdueItems", &[]).is_empty());
    assert!(!app.log().join("\n").contains("cannot be read"));
    app.end().await;
}

/// Moves the deadline in the due index back to the beginning of time.
async fn set_deadline_to_the_past(app: &TestApp) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let items = app.scan().await;
    let root = items.iter().find(|item| item["sk"] == "PERSON").expect("a root");
    let text = |name: &str| AttributeValue::S(root[name].as_str().unwrap().to_owned());
    let update = app.aws().dynamodb().update_item().table_name("ias-Table");
    let update = update.key("pk", text("pk")).key("sk", text("sk"));
    let update = update.update_expression("SET dueAt = :at");
    let update = update.expression_attribute_values(":at", AttributeValue::N("1".to_owned()));
    update.send().await.expect("an update");
}
