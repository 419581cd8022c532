//! Several processes can try to begin or end one pull or record, but only one write succeeds. Only that write is
//! counted.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use shared::clock;
use shared::domain::challenge::{ChallengeSlot, Held};
use shared::domain::identity::Identity;
use shared::domain::log::Actor;
use shared::domain::patient::PatientSlot;
use shared::domain::person_root::{Grant, PersonRoot};
use shared::domain::pull::{NewPull, Pull, PullEvent, RecordPhase};
use shared::domain::record::{NewRecord, OpenRecords, Record, RecordEvent, RecordQuery};
use shared::domain::{
    Aal2SessionHash, Aal2SessionId, OwnerId, PatientId, ProofedIdentityId, PullId, RecordId, SourceKind, Sources,
    Timing,
};
use shared::metrics::Metrics;
use shared::store::{AcceptPull, CreateRecord, Grounds, PullWrite, StoreError, Table, WritePull, claim_record};

use crate::budget::table;
use crate::harness::TestApp;

/// Fails unless one write succeeded and the other met a conflict.
#[track_caller]
fn assert_one_wins<T: Debug>((first, second): (Result<T, StoreError>, Result<T, StoreError>)) {
    let is_one = matches!(
        (&first, &second),
        (Ok(_), Err(StoreError::Conflict(_))) | (Err(StoreError::Conflict(_)), Ok(_))
    );
    assert!(is_one, "{first:?} {second:?}");
}

/// Stores an item of the person that has only its version, which is 1.
async fn put_version(app: &TestApp, row: &str) {
    let item = serde_dynamo::to_item(json!({ "pk": "OWNER#v1.o", "sk": row, "version": 1 })).unwrap();
    let put = app.aws().dynamodb().put_item().table_name("ias-Table");
    put.set_item(Some(item)).send().await.expect("an item");
}

fn owner() -> OwnerId {
    OwnerId::parse("v1.o").unwrap()
}

fn patient() -> PatientId {
    PatientId::parse("p-1").unwrap()
}

struct CountedTable {
    table: Table,
    lines: Arc<Mutex<Vec<Value>>>,
}

impl CountedTable {
    fn of(app: &TestApp) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let metrics = Metrics::to("test", move |line| {
            let line: Value = serde_json::from_str(line).expect("JSON");
            sink.lock().unwrap().push(line);
        });
        let table = table(app).with_metrics(metrics);
        Self { table, lines }
    }

    /// Takes the lines since the last call, which must all count `metric`; returns their states.
    fn take_states(&self, metric: &str) -> Vec<Value> {
        let lines: Vec<Value> = std::mem::take(&mut self.lines.lock().unwrap());
        assert!(lines.iter().all(|line| line[metric] == 1), "{lines:?}");
        lines.iter().map(|line| line["State"].clone()).collect()
    }
}

/// A new pull, and the AAL2 session that the table holds for its start.
struct Acceptance {
    pull: Pull,
    held: Held,
}

impl Acceptance {
    async fn prepare(app: &TestApp) -> Self {
        // The write compares only the versions of patient and identity.
        for row in ["PATIENT", "IDENTITY"] {
            put_version(app, row).await;
        }
        let new = NewPull {
            id: PullId::new(clock::new_id()),
            patient: patient(),
            grant: Grant::UNCONDITIONAL,
            sources: Sources::pending([SourceKind::Lab]).unwrap(),
        };
        let pull = Pull::accept(new, clock::now(), Timing::default());
        let held = Held {
            pull: pull.id,
            session: Aal2SessionId::parse("aal2_1").unwrap(),
            proofed_identity: ProofedIdentityId::parse("pid_1").unwrap(),
            until: pull.start_by,
        };
        Self { pull, held }
    }

    async fn write(&self, table: &Table) -> Result<(), StoreError> {
        let patient = PatientSlot {
            version: 1,
            ..PatientSlot::default()
        };
        let identity = Identity {
            version: 1,
            ..Identity::default()
        };
        let grounds = Grounds {
            patient: &patient,
            identity: &identity,
            root: &PersonRoot::default(),
            challenge: &ChallengeSlot::default(),
            lock_until: self.pull.lock_until(Timing::default()),
        };
        let used = Aal2SessionHash::parse("used").unwrap();
        table
            .accept_pull(&owner(), grounds, &self.held, &used, &self.pull, &Actor::Function)
            .await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_accepted_twice_at_once_is_counted_once() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let counted = CountedTable::of(&app);
    let acceptance = Acceptance::prepare(&app).await;
    let table = &counted.table;
    assert_one_wins(tokio::join!(acceptance.write(table), acceptance.write(table)));
    assert_eq!(counted.take_states("PullsStarted"), [Value::Null]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_ending_twice_at_once_is_counted_once() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let counted = CountedTable::of(&app);
    let acceptance = Acceptance::prepare(&app).await;
    acceptance.write(&counted.table).await.expect("a write");
    assert_eq!(counted.take_states("PullsStarted"), [Value::Null]);

    let (owner, pull, event) = (owner(), &acceptance.pull, PullEvent::StartTooLate);
    let change = pull.apply(&event, pull.start_by, Timing::default(), RecordId::UNUSED);
    let change = change.unwrap();
    let write = PullWrite {
        event: &event,
        change: &change,
        record: None,
        challenge: None,
        now: clock::now(),
    };
    let end = || counted.table.write_pull(&owner, write);
    assert_one_wins(tokio::join!(end(), end()));
    assert_eq!(counted.take_states("PullsEnded"), ["failed"]);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_ending_twice_at_once_is_counted_once() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let counted = CountedTable::of(&app);
    let (owner, timing) = (owner(), Timing::default());
    let record = NewRecord {
        id: RecordId::new(clock::new_id()),
        pull: None,
        phase: RecordPhase::Asked,
        patient: patient(),
        grant: Grant::UNCONDITIONAL,
        query: RecordQuery::default(),
    };
    let record = Record::ask(record, clock::now(), timing);
    let open = OpenRecords::default().with(&record);
    let root = PersonRoot::default();
    let created = counted.table.create_record(&owner, &record, &open, &root).await;
    created.expect("a write");
    let moment = (record.expires_at, timing);
    let end = || claim_record(&counted.table, &owner, &record, &RecordEvent::DeadlinePassed, moment);
    assert_one_wins(tokio::join!(end(), end()));
    assert_eq!(counted.take_states("RecordsEnded"), ["failed"]);
    app.stop().await;
}
