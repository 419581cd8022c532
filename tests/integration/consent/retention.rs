//! Records without consent to keep them are deleted after their days, and objects that no record names are swept.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::withdrawal::hold::Hold;
use super::{DAY_MILLIS, end_records_before, put, set_time, to_notice};
use crate::harness::{Person, TestApp, refused, until};
use crate::quarantine::{entries, pull_again};

const BUCKET: &str = "ias-recordsbucket";
const WORKER: &str = "account-work";
const QUEUE: &str = "ias-AccountWorkQueue";

/// Makes each person's check due now, and runs it.
pub(crate) async fn check_records(app: &TestApp) {
    make_due(app).await;
    app.reconcile().await;
    app.drain().await;
}

async fn make_due(app: &TestApp) {
    set_time(app, "RETENTION", "dueAt", 0).await;
}

async fn consent_to(person: &Person, scopes: &[&str]) {
    assert_eq!(put(person, &to_notice(scopes)).await.status, 200);
}

/// A verified person without consent to keep their records, and the only record of a pull. Its days are over.
pub(crate) async fn with_old_record(app: &TestApp) -> (Person, String) {
    let nora = app.newcomer("nora", "Jane");
    consent_to(&nora, &["pull"]).await;
    nora.verify_identity().await;
    let record = pull_again(&nora).await;
    end_records_before(app, 91).await;
    (nora, record)
}

async fn items(app: &TestApp, sort: &str) -> Vec<Value> {
    let mut items = app.scan().await;
    items.retain(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with(sort)));
    items
}

/// The numbers of record items, of objects and of logged deletions.
pub(crate) async fn count_stored_and_deleted(app: &TestApp) -> (usize, usize, usize) {
    let deleted = entries(app, "record_deleted").await.len();
    (items(app, "RECORD#").await.len(), app.objects().await.len(), deleted)
}

/// Days until the person's next check.
async fn next_check_days(app: &TestApp) -> i64 {
    let due_at = items(app, "RETENTION").await[0]["dueAt"].as_i64().expect("a time");
    (due_at - shared::clock::now().millis() + DAY_MILLIS / 2) / DAY_MILLIS
}

async fn store(app: &TestApp, key: &str) {
    let put = app.aws().s3().put_object().bucket(BUCKET).key(key);
    put.body(b"{}".to_vec().into()).send().await.expect("an object");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_without_consent_to_keep_it_is_deleted() {
    let app = TestApp::start().await;
    let (nora, record) = with_old_record(&app).await;
    assert_eq!(next_check_days(&app).await, 1, "after the link");
    let later = pull_again(&nora).await;
    assert_eq!(count_stored_and_deleted(&app).await, (2, 2, 0));
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (1, 1, 1));
    let logged = &entries(&app, "record_deleted").await[0];
    assert_eq!(
        (&logged["record"], &logged["by"], &logged["via"]),
        (&json!(record), &json!("function"), &json!(WORKER))
    );
    refused(&nora.record(&record).await, 404, "not_found", "none");
    assert!(!nora.download(&nora.record(&later).await).await.is_empty());
    assert_eq!(next_check_days(&app).await, 90);

    let done = app.snapshot().await;
    let owner = items(&app, "RETENTION").await[0]["pk"].as_str().unwrap()[6..].to_owned();
    for owner in [owner.as_str(), "v1.nobody"] {
        let duplicate = json!({ "version": 1, "retention": owner });
        app.send_message(QUEUE, &duplicate.to_string()).await;
    }
    app.drain().await;
    assert_eq!(app.snapshot().await, done);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_that_is_kept_is_not_deleted() {
    let app = TestApp::start().await;
    let (nora, record) = with_old_record(&app).await;
    consent_to(&nora, &["pull", "keep"]).await;
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (1, 1, 0));
    consent_to(&nora, &["pull"]).await;
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (1, 1, 0), "the days count anew");
    assert_eq!(next_check_days(&app).await, 90);
    assert_eq!(nora.record(&record).await.text("/status"), "available");
    app.end().await;
}

/// The check has read that the person does not consent. Its deletion requires that this is unchanged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consent_to_keep_during_a_check_keeps_the_record() {
    let (hold, app) = Hold::start_hurried().await;
    let (nora, record) = with_old_record(&app).await;
    make_due(&app).await;
    hold.second_call_of(WORKER, "TransactWriteItems");
    app.reconcile().await;
    hold.until_held().await;
    consent_to(&nora, &["pull", "keep"]).await;
    hold.release();
    app.drain().await;
    assert_eq!(count_stored_and_deleted(&app).await, (1, 1, 0));
    assert!(!nora.download(&nora.record(&record).await).await.is_empty());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quarantined_record_is_not_deleted() {
    let app = TestApp::start().await;
    let (nora, _) = with_old_record(&app).await;
    let reported = pull_again(&nora).await;
    assert_eq!(nora.report(&reported, "other_person").await.status, 202);
    end_records_before(&app, 91).await;
    check_records(&app).await;
    assert_eq!(
        count_stored_and_deleted(&app).await,
        (1, 1, 1),
        "only that of the earlier pull is deleted"
    );
    assert!(app.objects().await[0].contains(&reported));
    assert_eq!(next_check_days(&app).await, 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_no_record_names_are_swept() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    pull_again(&nora).await;
    let named = app.objects().await;
    let (folder, _) = named[0].rsplit_once('/').expect("a folder");
    // More than one page of the list, before and after the named object.
    for number in 0..75 {
        store(&app, &format!("{folder}/000{number}.json")).await;
        store(&app, &format!("{folder}/fff{number}.json")).await;
    }
    let of_another_person = format!("{folder}x/0.json");
    store(&app, &of_another_person).await;
    check_records(&app).await;
    let mut left = app.objects().await;
    left.sort();
    let mut expected = [named, vec![of_another_person]].concat();
    expected.sort();
    assert_eq!(left, expected);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_of_a_running_transfer_is_not_swept() {
    let (hold, app) = Hold::start_hurried().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    // The object is stored. The write that names it is held.
    hold.second_call_of("record-fetch", "TransactWriteItems");
    let pull = nora.start_from(&["lab"]).await;
    hold.until_held().await;
    assert_eq!(app.objects().await.len(), 1);
    make_due(&app).await;
    app.reconcile().await;
    until("the check is finished", async || {
        (next_check_days(&app).await == 90).then_some(())
    })
    .await;
    assert_eq!(app.objects().await.len(), 1);
    hold.release();
    let record = nora.final_record(&nora.until_ended(&pull).await).await;
    assert!(!nora.download(&record).await.is_empty());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_left_by_a_killed_worker_is_swept_later() {
    let (hold, app) = Hold::start_hurried().await;
    with_old_record(&app).await;
    app.quick_redelivery().await;
    make_due(&app).await;
    hold.call_of(WORKER, "DeleteObject");
    app.reconcile().await;
    hold.until_held().await;
    assert!(app.sandbox().host().kill(WORKER).await);
    assert_eq!(count_stored_and_deleted(&app).await, (0, 1, 1));
    app.drain().await;
    assert_eq!(
        count_stored_and_deleted(&app).await,
        (0, 1, 1),
        "the redelivered message is stale"
    );
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (0, 0, 1));
    hold.release();
    app.end().await;
}

/// Earlier versions stored objects outside the folder.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_outside_the_folder_is_deleted_with_its_record() {
    let app = TestApp::start().await;
    let (_, record) = with_old_record(&app).await;
    let (item, key) = (&items(&app, "RECORD#").await[0], format!("records/{record}.json"));
    store(&app, &key).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let update = app.aws().dynamodb().update_item().table_name("ias-Table");
    let update = update.key("pk", text(item["pk"].as_str().unwrap()));
    let update = update.key("sk", text(item["sk"].as_str().unwrap()));
    let update = update.update_expression("SET #object.#key = :key");
    let update = update.expression_attribute_names("#object", "object");
    let update = update.expression_attribute_names("#key", "key");
    let update = update.expression_attribute_values(":key", text(&key));
    update.send().await.expect("an update");
    check_records(&app).await;
    assert_eq!(count_stored_and_deleted(&app).await, (0, 0, 1));
    app.end().await;
}
