//! Compares the privileges that the template grants the functions with those that they use. The test causes every kind
//! of call, so each privilege must be used, except those of `BY_SERVICES`.

use std::collections::BTreeSet;

use sandbox_machine::privileges::Privilege;
use sandbox_metriport::{Failure, Operation, Persona};
use serde_json::{Value, json};

use super::comparison::{Difference, Exception, Why, compare};
use crate::access_log::later::seal_an_entry;
use crate::erasure::{erase, until_erased};
use crate::harness::{Person, QUEUES, TestApp, until};
use crate::webhooks::source;

const ADVANCE: &str = "ias-RunAdvanceQueue";
/// The length of a file that is uploaded in more than one part.
const PARTS: usize = 9 * 1024 * 1024;

/// Privileges that AWS services use with a function's role. The sandbox does not see these calls.
///
/// The services that store data use the data key. KMS's own pages name `Decrypt` for reading from DynamoDB, SQS, S3 and
/// Secrets Manager, and `GenerateDataKey` for writing to SQS and S3. A table under a customer managed key also needs
/// `Encrypt` and `DescribeKey` (docs.aws.amazon.com, "How DynamoDB uses AWS KMS").
///
/// SAM also attaches managed policies to a function's role. Lambda uses them to write the function's log entries and
/// traces, on any resource (`*`). Lambda also uses them to read a queue's attributes, which the sandbox's event sources
/// do not need.
const BY_SERVICES: [(&str, &str, &str); 4] = [
    (
        "kms:",
        "arn:aws:kms:us-east-1:000000000000:key/DataKey",
        "the services that keep the data use its key for each principal that reads or writes",
    ),
    ("logs:", "*", "Lambda writes the function's logs"),
    ("xray:", "*", "Lambda writes the function's traces"),
    (
        "sqs:GetQueueAttributes",
        "arn:aws:sqs:us-east-1:000000000000:ias-",
        "Lambda looks at the queue that it polls",
    ),
];

fn exceptions(granted: &BTreeSet<Privilege>) -> Vec<Exception> {
    let exception = |privilege: &Privilege| {
        let is_this = |(action, resource, _): &&(&str, &str, &str)| {
            privilege.action.starts_with(action) && privilege.resource.starts_with(resource)
        };
        let (_, _, why) = BY_SERVICES.iter().find(is_this)?;
        Some(Exception {
            privilege: privilege.clone(),
            why: Why::MadeByService(why),
        })
    };
    granted.iter().filter_map(exception).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn functions_use_exactly_their_granted_privileges() {
    let app = TestApp::with(|options| {
        options.time_scale = 15;
        options.stand_in.rate_limits = false;
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let (lena, receipt) = an_erasure_during_a_consolidated_query(&app).await;
    an_event_of_a_session_that_is_not_known(&app).await;
    a_patient_that_is_found(&app).await;
    a_pull_whose_webhooks_overtake_the_answer(&app, &nora).await;
    a_transfer_that_is_cut_off(&app, &nora).await;
    an_empty_record(&app).await;
    everything_a_person_asks_for(&nora).await;
    work_whose_message_was_lost(&app, &nora).await;
    other_demographics(&nora).await;
    messages_that_are_given_up(&app).await;
    a_sealed_log_that_is_read(&app, &nora).await;
    a_requested_record_of_another_person(&app).await;
    a_withdrawal_during_a_consolidated_query(&app).await;
    until_erased(&app, &lena, &receipt).await;
    app.drain().await;

    let privileges = app.sandbox().privileges();
    let (granted, used) = (privileges.granted(), privileges.used());
    assert_eq!(compare(&granted, &used, &exceptions(&granted)), Difference::default());
    assert!(privileges.take_refused().is_empty());
    app.stop().await;
}

/// `webhook-process` searches for the owner by the session, by our mark in the session's metadata, and by the patient.
async fn an_event_of_a_session_that_is_not_known(app: &TestApp) {
    let event = json!({
        "meta": {
            "messageId": "by-hand", "when": "2026-01-01T00:00:00.000Z", "type": "ias.identity.verified",
            "data": { shared::webhook::IDENTITY_MARK: "unknown" },
        },
        "payload": { "sessionId": "ids_unknown", "patientId": "pat_unknown", "proofedIdentityId": "pid_of_nobody" },
    });
    assert_eq!(app.send_signed(&event).await, 200);
    app.drain().await;
}

/// The answer to the creation is lost. The next request finds the patient by its external id and claims it.
async fn a_patient_that_is_found(app: &TestApp) {
    let olga = app.person("olga", "Jane").await;
    app.stand_in()
        .fail_next(Operation::CreatePatient, Failure::ResetAfterEffect);
    assert_eq!(olga.link().await.status, 504);
    until("the patient is linked", async || {
        (olga.link().await.status == 200).then_some(())
    })
    .await;
}

/// Metriport sends the webhook before it answers the start. `webhook-process` stores the request id with the pull,
/// while
/// `query-dispatch` still waits for the answer.
async fn a_pull_whose_webhooks_overtake_the_answer(app: &TestApp, nora: &Person) {
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, Failure::HangFor(2000));
    let id = nora.start_from(&["lab"]).await;
    until("the source has reported", async || {
        (source(nora, &id, "lab").await == "completed").then_some(())
    })
    .await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
}

/// The download ends too early, after part of it was uploaded. `record-fetch` aborts the upload, and the record is
/// requested again.
async fn a_transfer_that_is_cut_off(app: &TestApp, nora: &Person) {
    let cut_off = Failure::Status {
        code: 200,
        body: format!(r#"{{"resourceType":"Bundle","entry":[{{"text":"{}"#, "x".repeat(PARTS)),
        content_type: "application/json".to_owned(),
    };
    app.stand_in().fail_next(Operation::DownloadFile, cut_off);
    let id = nora.start_from(&["lab"]).await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
}

/// `record-fetch` searches the pulls for the one from which the data of the requested record come.
async fn a_requested_record_of_another_person(app: &TestApp) {
    let sara = app.person("sara", "Jane").await;
    sara.verify_identity().await;
    let id = sara.start_from(&["lab"]).await;
    assert_eq!(sara.until_ended(&id).await.text("/status"), "completed");
    let other = Failure::Status {
        code: 200,
        body: r#"{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","id":"p-2"}}]}"#.to_owned(),
        content_type: "application/json".to_owned(),
    };
    app.stand_in().fail_next(Operation::DownloadFile, other);
    let id = sara.ask_record(&json!({ "conversionType": "json" })).await;
    assert_eq!(sara.until_record(&id).await.text("/status"), "quarantined");
    sara.report(&id, "other_person").await;
}

/// The pull's lock is released. The record's lock gets an earlier deadline, because its query may run.
async fn a_withdrawal_during_a_consolidated_query(app: &TestApp) {
    let rosa = app.person("rosa", "Jane").await;
    rosa.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = rosa.start_from(&["lab"]).await;
    let source = app.until_held("network-query.", 1).await.remove(0);
    app.deliver(&source).await;
    app.until_held("medical.consolidated-data", 1).await;
    assert_eq!(rosa.app.withdraw_consent().await.expect("an answer").status, 200);
    assert_eq!(rosa.read_pull(&id).await.text("/status"), "withdrawn");
}

/// `account-work` ends a pull and a record, and deletes rows, objects and an unfinished upload. Returns the person
/// and the receipt id, because the second sweep begins a minute later at this time scale.
async fn an_erasure_during_a_consolidated_query(app: &TestApp) -> (Person, String) {
    let lena = app.person("lena", "Jane").await;
    lena.verify_identity().await;
    assert_eq!(lena.pull().await.text("/status"), "completed");
    let stored = app.objects().await.remove(0);
    let upload = app.aws().s3().create_multipart_upload().bucket("ias-recordsbucket");
    upload.key(format!("{stored}.part")).send().await.expect("an upload");
    lena.export().await;
    app.stand_in().hold_webhooks();
    lena.start_from(&["lab"]).await;
    let source = app.until_held("network-query.", 1).await.remove(0);
    app.deliver(&source).await;
    app.until_held("medical.consolidated-data", 1).await;
    let receipt = erase(&lena).await;
    app.drain().await;
    app.stand_in().release_all().await;
    (lena, receipt)
}

/// If the networks have no data, the consolidated query's webhook ends the record, and nothing is transferred.
async fn an_empty_record(app: &TestApp) {
    let omar = app.person("omar", Persona::NoData.first_name()).await;
    omar.verify_identity().await;
    let id = omar.start_from(&["lab"]).await;
    assert_eq!(omar.until_ended(&id).await.text("/status"), "completed");
}

/// A complete pull, every list, a record in another conversion under an idempotency key, and a download of its bytes.
async fn everything_a_person_asks_for(nora: &Person) {
    let pull = nora.pull().await;
    assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
    assert!(!nora.codes(&pull.text("/id")).await.is_empty());
    assert_eq!(nora.app.get("/v1/network-queries").await.unwrap().status, 200);
    assert!(!nora.records().await.list("/records").is_empty());
    let keyed = nora.app.with_key("pdf");
    let ask = json!({ "conversionType": "pdf" });
    let first = keyed.ask_record(&ask).await.unwrap();
    let again = keyed.ask_record(&ask).await.unwrap();
    assert_eq!((first.status, first.text("/id")), (202, again.text("/id")));
    let record = nora.until_record(&first.text("/id")).await;
    assert!(!nora.download(&record).await.is_empty());
}

/// `reconcile` finds the work by its due time, and asks Metriport for lost webhooks.
async fn work_whose_message_was_lost(app: &TestApp, nora: &Person) {
    let busy = Failure::Status {
        code: 429,
        body: "Too many requests".to_owned(),
        content_type: "text/html".to_owned(),
    };
    app.stand_in().fail_next(Operation::StartNetworkQuery, busy);
    let id = nora.start_from(&["lab"]).await;
    // The test waits for this pull's event. It cannot use the number of delayed messages, because earlier pulls have
    // left some in the queue.
    until("the start is put off", async || {
        let codes = nora.codes(&id).await;
        codes.iter().any(|code| code == "start_deferred").then_some(())
    })
    .await;
    app.drain().await;
    app.purge(ADVANCE).await;
    until("the pull has ended", async || {
        app.reconcile().await;
        (nora.read_pull(&id).await.text("/next/action") != "wait").then_some(())
    })
    .await;
}

/// A sealed log that is read and exported. The second invocation of `log-seal` reads the seal of the first.
async fn a_sealed_log_that_is_read(app: &TestApp, nora: &Person) {
    seal_an_entry(app).await;
    app.seal().await.expect("the last seal");
    assert_eq!(nora.app.get("/v1/me/access-log").await.expect("an answer").status, 200);
    assert!(!nora.export().await.is_empty());
}

/// Demographics may change only while no pull is open.
async fn other_demographics(nora: &Person) {
    let mut changed = nora.demographics().clone();
    changed["lastName"] = Value::from("Quillon");
    assert_eq!(nora.app.put_patient(&changed).await.unwrap().status, 200);
}

async fn messages_that_are_given_up(app: &TestApp) {
    for queue in QUEUES {
        app.send_message(queue, "no JSON").await;
    }
    until("they are kept as dead letters", async || {
        (app.dead_letters() == QUEUES.len()).then_some(())
    })
    .await;
}
