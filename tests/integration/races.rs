//! Concurrent requests and messages. Most tests repeat a round until two processes of one function have run at the same
//! time, and fail after too many rounds.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use sandbox_machine::app::Reply;
use sandbox_metriport::Operation;
use serde_json::Value;
use shared::clock;
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::pull::RecordPhase;
use shared::domain::record::{NewRecord, OpenRecords, Record, RecordEvent, RecordQuery};
use shared::domain::{OwnerId, PatientId, RecordId, Timing};
use shared::store::{Condition, CreateRecord, ReadRecord, claim_record};

use crate::budget::table;
use crate::erasure::erase;
use crate::harness::{Passed, Person, QUEUES, TestApp, until};

/// Maximum number of rounds until two processes have overlapped.
const ROUNDS_MAX: usize = 12;

async fn unlimited() -> TestApp {
    TestApp::with(|options| options.stand_in.rate_limits = false).await
}

/// Repeats a round until two processes of a function have overlapped.
async fn until_overlap(app: &TestApp, function: &str, round: impl AsyncFn(usize)) {
    for number in 0..ROUNDS_MAX {
        round(number).await;
        if app.overlapped(function) {
            return;
        }
    }
    panic!("{function} never ran twice at once in {ROUNDS_MAX} rounds");
}

async fn post(person: &Person, passed: &Passed) -> Reply {
    person
        .app
        .start_query(&passed.ask_of(&["lab"]))
        .await
        .expect("an answer")
}

/// Checks that one request was accepted and one refused; returns both replies.
fn one_of_each(replies: [Reply; 2]) -> (Reply, Reply) {
    let [first, second] = replies;
    let (accepted, refused) = if first.status == 202 {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(
        (accepted.status, refused.status),
        (202, 409),
        "{:?}, {:?}",
        accepted.body,
        refused.body
    );
    (accepted, refused)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_pulls_with_one_challenge_are_accepted_once() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let started = || app.stand_in().stats().calls(Operation::StartNetworkQuery);
    until_overlap(&app, "network-query", async |_| {
        let (passed, before) = (nora.pass_challenge().await, started());
        let (first, second) = tokio::join!(post(&nora, &passed), post(&nora, &passed));
        let (accepted, refused) = one_of_each([first, second]);
        assert!(
            ["aal2_session_used", "challenge_not_pending"].contains(&&*refused.code()),
            "{:?}",
            refused.body
        );
        assert_eq!(refused.text("/next/action"), "open_challenge");
        assert_eq!(
            nora.until_ended(&accepted.text("/id")).await.text("/status"),
            "completed"
        );
        assert_eq!(started(), before + 1);
    })
    .await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_refused_for_an_open_pull_keeps_its_challenge() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    until_overlap(&app, "network-query", async |_| {
        app.stand_in().hold_webhooks();
        let open = nora.start_from(&["lab"]).await;
        let passed = nora.pass_challenge().await;
        let (first, second) = tokio::join!(post(&nora, &passed), post(&nora, &passed));
        for refused in [first, second] {
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (409, "network_query_open"),
                "{:?}",
                refused.body
            );
        }
        app.stand_in().release_all().await;
        assert_eq!(nora.until_ended(&open).await.text("/status"), "completed");
        // The AAL2 session was not used up, so it can start the next pull.
        let (first, second) = tokio::join!(post(&nora, &passed), post(&nora, &passed));
        let (accepted, _) = one_of_each([first, second]);
        assert_eq!(
            nora.until_ended(&accepted.text("/id")).await.text("/status"),
            "completed"
        );
    })
    .await;
    app.end().await;
}

/// The second challenge supersedes the first, whichever request comes first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_with_the_newer_of_two_challenges_is_accepted() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    until_overlap(&app, "network-query", async |_| {
        let (older, newer) = (nora.pass_challenge().await, nora.pass_challenge().await);
        let (refused, accepted) = tokio::join!(post(&nora, &older), post(&nora, &newer));
        assert_eq!(
            (refused.status, refused.code().as_str()),
            (409, "challenge_not_pending"),
            "{:?}",
            refused.body
        );
        assert_eq!(accepted.status, 202, "{:?}", accepted.body);
        assert_eq!(
            nora.until_ended(&accepted.text("/id")).await.text("/status"),
            "completed"
        );
    })
    .await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_concurrent_links_make_one_patient() {
    let app = unlimited().await;
    until_overlap(&app, "identity-session", async |round| {
        let subject = format!("nora-{round}");
        let nora = app.person(&subject, "Jane").await;
        let (a, b, c, d, e, f, g, h) = tokio::join!(
            nora.link(),
            nora.link(),
            nora.link(),
            nora.link(),
            nora.link(),
            nora.link(),
            nora.link(),
            nora.link(),
        );
        let replies = [a, b, c, d, e, f, g, h];
        assert!(replies.iter().any(|reply| reply.status == 200));
        for reply in &replies {
            let fine = reply.status == 200 || (reply.status == 409 && reply.code() == "patient_changing");
            assert!(fine, "{} {:?}", reply.status, reply.body);
        }
        let patient = app.patient_of(&subject).await;
        let owned = app
            .items()
            .await
            .into_iter()
            .filter(|item| item.contains("\"PATIENT#") && item.contains("\"OWNER\""));
        assert_eq!(owned.count(), round + 1, "one patient belongs to each person so far");
        assert!(
            app.items()
                .await
                .iter()
                .any(|item| item.contains(&format!("PATIENT#{patient}")))
        );
        assert_eq!(nora.link().await.status, 200);
    })
    .await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_concurrent_persons_get_their_own_records() {
    let app = unlimited().await;
    let (nora, omar) = (app.person("nora", "Jane").await, app.person("omar", "Jane").await);
    tokio::join!(nora.verify_identity(), omar.verify_identity());
    let pulled = async |person: &Person| {
        let pull = person.until_ended(&person.start_from(&["hie"]).await).await;
        assert_eq!(pull.text("/status"), "completed", "{:?}", pull.body);
        let bytes = person.download(&person.final_record(&pull).await).await;
        let bundle: Value = serde_json::from_slice(&bytes).expect("JSON");
        let entries = bundle["entry"].as_array().expect("entries").iter();
        let patient = entries
            .map(|entry| &entry["resource"])
            .find(|r| r["resourceType"] == "Patient")
            .cloned();
        patient.expect("a Patient")["birthDate"].clone()
    };
    until_overlap(&app, "query-dispatch", async |_| {
        let (hers, his) = tokio::join!(pulled(&nora), pulled(&omar));
        assert_eq!(
            (&hers, &his),
            (&nora.demographics()["dob"], &omar.demographics()["dob"])
        );
        assert_ne!(hers, his);
    })
    .await;
    app.end().await;
}

/// The test sends every message of every queue five more times, at once and before the original is received.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn duplicate_message_has_one_effect() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.slow_queues(1).await;
    let mira = app.newcomer("mira", "Jane");
    erase(&mira).await;
    let id = nora.start_from(&["lab"]).await;
    let ended = repeat_messages_until_ended(&app, &nora, &id).await;
    assert_eq!(ended.text("/status"), "completed");
    app.drain().await;
    let calls = |operation| app.stand_in().stats().calls(operation);
    assert_eq!(calls(Operation::StartNetworkQuery), 1);
    assert_eq!(calls(Operation::StartConsolidatedQuery), 1);
    assert_eq!(calls(Operation::DownloadFile), 1);
    assert_eq!(nora.records().await.list("/records").len(), 1);
    assert_counted_once(&app).await;
    let codes = nora.codes(&id).await;
    for code in ["start_claimed", "started", "source_reported", "record_ended"] {
        assert_eq!(codes.iter().filter(|found| *found == code).count(), 1, "{codes:?}");
    }
    assert!(
        app.overlapped("query-dispatch"),
        "the copies were worked off one after the other"
    );
    let items = app.scan().await;
    let job = items.iter().find(|item| item["sk"] == "JOB").expect("an erasure");
    assert_eq!(
        job["stage"], "between",
        "the first sweep has ended, and the second is not due"
    );
    app.end().await;
}

/// Sends five copies of each original message until the pull has ended. Checks that each queue had messages.
async fn repeat_messages_until_ended(app: &TestApp, nora: &Person, id: &str) -> Reply {
    let known = Mutex::new(BTreeSet::new());
    let repeated = Mutex::new(BTreeMap::<&str, usize>::new());
    let ended = until("the pull has ended, every message of it sent again", async || {
        for queue in QUEUES {
            for message in app.sandbox().aws().queues().messages(queue).expect("the queue") {
                if !known.lock().unwrap().insert(message.message_id) {
                    continue;
                }
                *repeated.lock().unwrap().entry(queue).or_default() += 1;
                for _ in 0..5 {
                    let copy = app.send_message(queue, &message.body).await;
                    known.lock().unwrap().insert(copy);
                }
            }
        }
        let pull = nora.read_pull(id).await;
        (pull.text("/next/action") != "wait").then_some(pull)
    })
    .await;
    let repeated = repeated.into_inner().unwrap();
    assert!(QUEUES.iter().all(|queue| repeated.contains_key(queue)), "{repeated:?}");
    ended
}

/// Checks by the metrics that one pull has started and ended, and that one record has ended.
async fn assert_counted_once(app: &TestApp) {
    for (counted, dimension, code) in [
        ("PullsStarted", None, ""),
        ("PullsEnded", Some("State"), "completed"),
        ("RecordsEnded", Some("State"), "available"),
        ("RecordBytes", None, ""),
    ] {
        let detail: Vec<_> = dimension.into_iter().map(|dimension| (dimension, code)).collect();
        let values = app.until_metric(counted, &detail, 1).await;
        assert_eq!(values.len(), 1, "{counted}: {values:?}");
    }
}

/// Two writes start from one read of a record. The second is refused, because the record has changed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_over_a_changed_record_is_refused() {
    let app = TestApp::start().await;
    let table = table(&app);
    let owner = OwnerId::parse("0".repeat(64)).expect("an owner");
    let new = NewRecord {
        id: RecordId::parse("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d").expect("an id"),
        pull: None,
        phase: RecordPhase::Asked,
        patient: PatientId::parse("patient-1").expect("a patient"),
        grant: Grant::UNCONDITIONAL,
        query: RecordQuery::default(),
    };
    let (now, timing) = (clock::now(), Timing::default());
    let record = Record::ask(new, now, timing);
    let open = OpenRecords::default().with(&record);
    let root = PersonRoot::default();
    let created = table.create_record(&owner, &record, &open, &root).await;
    created.expect("a new record");
    let over = RecordEvent::DeadlinePassed;
    let first = claim_record(&table, &owner, &record, &RecordEvent::LockBusy, (now, timing)).await;
    let second = claim_record(&table, &owner, &record, &over, (now, timing)).await;
    let first = first.expect("a write").expect("a change");
    assert!(second.expect_err("too late").lacks(Condition::RecordAsRead));
    assert_eq!(table.record(&owner, record.id).await.expect("a read"), Some(first));
    app.end().await;
}

/// A message whose work is done can arrive again at any time. If it led to another message about the waiting pull, each
/// copy would go on for as long as the pull.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_message_changes_nothing_and_sends_nothing() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    app.slow_queues(1).await;
    let watch = app.watch_queues();
    let id = nora.start_from(&["lab"]).await;
    until("the pull waits for its source", async || {
        (nora.read_pull(&id).await.text("/status") == "running").then_some(())
    })
    .await;
    app.drain().await;
    let bodies = watch.bodies();
    let earlier = bodies
        .iter()
        .find(|body| body.contains(&id) && body.contains(r#""dueSeq":1"#));
    let earlier = earlier.expect("the message that started the pull");
    let (queue, version) = ("ias-RunAdvanceQueue", nora.codes(&id).await);
    let waits = app.delayed(queue);
    for _ in 0..5 {
        app.send_message(queue, earlier).await;
    }
    app.drain().await;
    assert_eq!((app.delayed(queue), nora.codes(&id).await), (waits, version));
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    app.end().await;
}
