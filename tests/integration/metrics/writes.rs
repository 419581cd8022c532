//! A pull or a record begins and ends in one write, however many try: only the one that wins is told.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::clock;
use shared::domain::challenge::{ChallengeSlot, Held};
use shared::domain::identity::Identity;
use shared::domain::patient::PatientSlot;
use shared::domain::record::{Asked, NewRecord, Record, RecordEvent};
use shared::domain::run::{NewRun, RecordPhase, Run, RunEvent};
use shared::domain::{
    Aal2SessionHash, Aal2SessionId, OwnerId, PatientId, ProofedIdentityId, RecordId, RunId, SourceKind, Sources, Timing,
};
use shared::metrics::Metrics;
use shared::store::{AcceptRun, CreateRecord, Grounds, RunWrite, StoreError, WriteRun, claim_record};

use crate::budget::table;
use crate::harness::TestApp;

/// Whether one of two was written and the other not.
fn is_one<T>(first: &Result<T, StoreError>, second: &Result<T, StoreError>) -> bool {
    matches!(
        (first, second),
        (Ok(_), Err(StoreError::Conflict(_))) | (Err(StoreError::Conflict(_)), Ok(_))
    )
}

/// An item of the person with nothing in it but its version, 1.
async fn put_version(app: &TestApp, row: &str) {
    let item = serde_dynamo::to_item(json!({ "pk": "OWNER#v1.o", "sk": row, "version": 1 })).unwrap();
    let put = app.aws().dynamodb().put_item().table_name("ias-Table");
    put.set_item(Some(item)).send().await.expect("an item");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_the_write_that_wins_is_told() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let metrics = Metrics::to("test", move |line| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        sink.lock().unwrap().push(line);
    });
    let told = |name: &str| {
        let lines: Vec<Value> = std::mem::take(&mut lines.lock().unwrap());
        assert!(lines.iter().all(|line| line[name] == 1), "{lines:?}");
        lines.iter().map(|line| line["State"].clone()).collect::<Vec<_>>()
    };
    let table = table(&app).measured(metrics);
    let (owner, patient) = (OwnerId::parse("v1.o").unwrap(), PatientId::parse("p-1").unwrap());
    let (now, timing) = (clock::now(), Timing::default());

    let new = NewRun {
        id: RunId::new(clock::new_id()),
        patient: patient.clone(),
        sources: Sources::pending([SourceKind::Lab]).unwrap(),
    };
    let run = Run::accept(new, now, timing);
    let held = Held {
        run: run.id,
        session: Aal2SessionId::parse("aal2_1").unwrap(),
        proofed_identity: ProofedIdentityId::parse("pid_1").unwrap(),
        until: run.start_by,
    };
    // What a pull stands on is looked at by its version alone.
    for row in ["PATIENT", "IDENTITY"] {
        put_version(&app, row).await;
    }
    let patient_slot = PatientSlot {
        version: 1,
        ..PatientSlot::default()
    };
    let identity = Identity {
        version: 1,
        ..Identity::default()
    };
    let grounds = Grounds {
        patient: &patient_slot,
        identity: &identity,
        challenge: &ChallengeSlot::default(),
        lock_until: run.lock_until(timing),
    };
    let used = Aal2SessionHash::parse("used").unwrap();
    let accept = || table.accept_run(&owner, grounds, &held, &used, &run);
    let (first, second) = tokio::join!(accept(), accept());
    assert!(is_one(&first, &second), "{first:?} {second:?}");
    assert_eq!(told("PullsStarted"), [Value::Null]);

    let event = RunEvent::StartTooLate;
    let change = run.apply(&event, run.start_by, timing, RecordId::UNUSED).unwrap();
    let write = RunWrite {
        event: &event,
        change: &change,
        record: None,
        challenge: None,
        now,
    };
    let (first, second) = tokio::join!(table.write_run(&owner, write), table.write_run(&owner, write));
    assert!(is_one(&first, &second), "{first:?} {second:?}");
    assert_eq!(told("PullsEnded"), ["failed"]);

    let record = NewRecord {
        id: RecordId::new(clock::new_id()),
        run: None,
        phase: RecordPhase::Asked,
        patient,
        asked: Asked::default(),
    };
    let record = Record::ask(record, now, timing);
    table.create_record(&owner, &record).await.expect("a write");
    let moment = (record.expires_at, timing);
    let end = || claim_record(&table, &owner, &record, &RecordEvent::DeadlinePassed, moment);
    let (first, second) = tokio::join!(end(), end());
    assert!(is_one(&first, &second), "{first:?} {second:?}");
    assert_eq!(told("RecordsEnded"), ["failed"]);
    app.stop().await;
}
