//! Seals: each ended day has one, in an unbroken chain, and an export of the log is verified with the public key alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_aws::{Call, Ending, Failure, Interceptor, Service, Verdict};
use sandbox_host::access_key_id;
use serde_json::{Value, json};
use shared::domain::OwnerId;
use shared::domain::log::{Access, Actor, LogDay, LogEntry, leaf, shard};
use shared::domain::{Time, Timing};
use shared::store::NoteHour as _;

use super::later::{KeyFile, Later, days_later, objects, owner, pages, seal, seal_at, statements};
use super::{entries, make_accesses, person_of};
use crate::harness::TestApp;

/// Faults of the calls that `log-seal` makes.
#[derive(Default)]
struct SealFaults {
    /// Refuses every signature.
    refuses: AtomicBool,
    /// Loses the answer to the first attempt of each put. The SDK repeats it, and the second attempt is answered.
    loses: AtomicBool,
    attempts: AtomicUsize,
}

#[async_trait::async_trait]
impl Interceptor for SealFaults {
    async fn before(&self, call: &Call) -> Verdict {
        match call.service == Service::Kms && call.operation == "Sign" && self.refuses.load(Ordering::SeqCst) {
            true => Verdict::Fail(Failure::Unavailable),
            false => Verdict::Forward,
        }
    }

    async fn after(&self, call: &Call, _status: u16) -> Ending {
        let is_put = call.service == Service::S3 && call.operation == "PutObject";
        let is_seal = is_put && call.access_key_id == Some(access_key_id("log-seal"));
        let loses = is_seal && self.loses.load(Ordering::SeqCst);
        match loses && self.attempts.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            true => Ending::Drop,
            false => Ending::Return,
        }
    }
}

async fn with_faults() -> (TestApp, Arc<SealFaults>) {
    let faults = Arc::new(SealFaults::default());
    let plan = faults.clone();
    let app = TestApp::with(move |options| {
        options.prewarm = false;
        options.faults.aws = Some(plan);
    });
    (app.await, faults)
}

/// Writes an entry of this person at a time.
pub(super) async fn note(app: &TestApp, owner: &OwnerId, at: Time) {
    let table = Later::of(app, "account", at);
    let noted = table
        .table()
        .note_hour(owner, Access::RecordsListed, &Actor::Function, at);
    noted.await.expect("an entry");
}

pub(super) fn person(number: usize) -> OwnerId {
    OwnerId::parse(format!("v1.{number}")).expect("an owner id")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_is_sealed_after_its_day_and_verified() {
    let app = TestApp::start().await;
    let nora = person_of(&app, "nora", "app").await;
    make_accesses(&app, &nora).await;
    let (key, owner) = (KeyFile::of(&app).await, owner(&app).await);
    let made = entries(&app).await.len();
    // The day has not ended, so the function seals the day before, which has no entry.
    assert_eq!(app.seal().await, Ok(1));
    assert_eq!(statements(&app).await[0]["entries"], 0);
    let sealed = seal(&app, 1).await.expect("a seal");
    assert!(sealed >= 1, "no day was sealed");

    let export = pages(&app, &owner, 1).await;
    let (code, output) = key.verify(&export).await;
    assert_eq!(code, 0, "{output}");
    assert!(
        output.contains(&format!("{made} entries, complete and unchanged")),
        "{output}"
    );
    // The export left an entry of its own, which no seal covers yet.
    assert!(output.contains("1 entry not sealed yet"), "{output}");
    // A day later it is sealed, too.
    assert_eq!(seal(&app, 2).await.ok(), Some(1));
    let (code, output) = key.verify(&pages(&app, &owner, 2).await).await;
    assert_eq!(code, 0, "{output}");
    assert!(output.contains(&format!("{} entries, complete", made + 1)), "{output}");
    app.end().await;
}

/// Replaces an entry of the table, with or without its leaf.
async fn change_entry(app: &TestApp, item: &Value, text: &str, with_leaf: bool) {
    let mut item = item.clone();
    item["entry"] = json!(text);
    if with_leaf {
        item["leaf"] = json!(leaf(text).to_string());
    }
    let item = serde_dynamo::to_item(item).expect("an item");
    let put = app
        .aws()
        .dynamodb()
        .put_item()
        .table_name("ias-Table")
        .set_item(Some(item));
    put.send().await.expect("a put");
}

async fn drop_entry(app: &TestApp, item: &Value) {
    let text = |name: &str| AttributeValue::S(item[name].as_str().expect("a key").to_owned());
    let delete = app.aws().dynamodb().delete_item().table_name("ias-Table");
    let delete = delete.key("pk", text("pk")).key("sk", text("sk"));
    delete.send().await.expect("a deletion");
}

/// Someone who can write the table changes it after the seal. The leaves of the seal name the entry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entry_changed_in_the_table_is_named() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (key, nora) = (KeyFile::of(&app).await, person(1));
    let day = days_later(0);
    for hour in 0..3 {
        note(&app, &nora, day.plus(Duration::from_secs(hour * 3_600))).await;
    }
    seal(&app, 1).await.expect("a seal");
    let items = entries(&app).await;
    assert_eq!(items.len(), 3);
    let fault = async || {
        let (code, output) = key.verify(&pages(&app, &nora, 1).await).await;
        assert!(code == 0 || code == 1, "{output}");
        (code == 1).then(|| output.lines().next().unwrap_or_default().to_owned())
    };
    let (date, second) = (LogDay::of(day, Timing::default()), &items[1]);
    let text = second["entry"].as_str().expect("an entry");
    assert_eq!(fault().await, None);
    for with_leaf in [false, true] {
        change_entry(&app, second, &text.replace("records_listed", "link_minted"), with_leaf).await;
        let named = fault().await.expect("a fault");
        assert!(
            named.starts_with(&format!("error: day {date}, entry 2 (")) && named.ends_with("changed"),
            "{named}"
        );
    }
    drop_entry(&app, second).await;
    let named = fault().await.expect("a fault");
    assert!(
        named.starts_with(&format!("error: day {date}, entry 2 (")) && named.ends_with("dropped"),
        "{named}"
    );
    change_entry(&app, second, text, true).await;
    assert_eq!(fault().await, None);
    note(&app, &nora, day.plus(Duration::from_secs(3 * 3_600))).await;
    let named = fault().await.expect("a fault");
    assert!(
        named.starts_with(&format!("error: day {date}, entry 4 (")) && named.ends_with("inserted"),
        "{named}"
    );
    app.end().await;
}

/// A `records_listed` entry may be written an hour after its time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn day_is_sealed_three_hours_after_its_end() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    note(&app, &person(1), days_later(0)).await;
    let begin = LogDay::of(days_later(1), Timing::default()).begin();
    let after = |millis| begin.plus(Duration::from_millis(millis));
    seal_at(&app, after(3 * 3_600_000 - 1)).await.expect("seals");
    let days = statements(&app).await.len();
    assert_eq!(days, 1, "the day before is the last that may be sealed");
    assert_eq!(seal_at(&app, after(3 * 3_600_000)).await.ok(), Some(1));
    assert_eq!(statements(&app).await[days]["entries"], 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn days_of_three_failures_are_sealed_in_order() {
    let (app, faults) = with_faults().await;
    let nora = person(1);
    note(&app, &nora, days_later(0)).await;
    note(&app, &nora, days_later(2)).await;
    faults.refuses.store(true, Ordering::SeqCst);
    assert!(app.seal().await.is_err(), "the function hides a failure");
    for day in 1..=3 {
        assert!(seal(&app, day).await.is_err());
    }
    assert_eq!(objects(&app, "seals/").await.len(), 0);
    faults.refuses.store(false, Ordering::SeqCst);
    // The oldest day with an entry comes first, although nothing was stored during the failures.
    assert_eq!(seal(&app, 3).await.ok(), Some(3));
    let statements = statements(&app).await;
    let days: Vec<_> = statements
        .iter()
        .map(|one| one["day"].as_str().expect("a day"))
        .collect();
    let expected = [0, 1, 2].map(|day| LogDay::of(days_later(day), Timing::default()).to_string());
    assert_eq!(days, expected);
    assert!(statements[0].get("previous").is_none());
    assert_eq!(statements[2]["previous"]["day"], statements[1]["day"]);
    let counts: Vec<_> = statements.iter().map(|one| one["entries"].as_u64()).collect();
    assert_eq!(counts, [Some(1), Some(0), Some(1)]);
    let (code, output) = KeyFile::of(&app).await.verify(&pages(&app, &nora, 3).await).await;
    assert_eq!(code, 0, "{output}");
    app.end().await;
}

/// A stack may have kept its log for months before it had seals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_seal_is_that_of_the_oldest_entry() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    for day in [0, 35, 70] {
        note(&app, &person(1), days_later(day)).await;
    }
    assert_eq!(seal(&app, 72).await.ok(), Some(10));
    let oldest = LogDay::of(days_later(0), Timing::default());
    assert_eq!(statements(&app).await[0]["day"], oldest.to_string());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn existing_seal_is_taken_as_it_is() {
    let (app, faults) = with_faults().await;
    let nora = person(1);
    note(&app, &nora, days_later(0)).await;
    // The second attempts find the objects of the first.
    faults.loses.store(true, Ordering::SeqCst);
    assert_eq!(seal(&app, 1).await.ok(), Some(1));
    assert_eq!(
        faults.attempts.load(Ordering::SeqCst),
        4,
        "a shard and a seal, twice each"
    );
    faults.loses.store(false, Ordering::SeqCst);
    let sealed = objects(&app, "").await;
    assert_eq!(seal(&app, 1).await.ok(), Some(0));
    // An entry that comes after its seal does not change the seal.
    note(&app, &nora, days_later(0).plus(Duration::from_secs(3_600))).await;
    assert_eq!(seal(&app, 1).await.ok(), Some(0));
    assert_eq!(objects(&app, "").await, sealed);
    // Two invocations at the same time make one chain.
    let (first, second) = tokio::join!(seal(&app, 4), seal(&app, 4));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    assert_eq!(objects(&app, "seals/").await.len(), 4);
    let (code, output) = KeyFile::of(&app).await.verify(&pages(&app, &person(2), 4).await).await;
    assert_eq!(code, 0, "{output}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn day_covers_every_person_in_16_shards() {
    const PERSONS: usize = 150;
    let app = TestApp::with(|options| options.prewarm = false).await;
    for number in 0..PERSONS {
        note(&app, &person(number), days_later(0)).await;
    }
    assert_eq!(seal(&app, 1).await.ok(), Some(1));
    let shards = objects(&app, "shards/").await;
    let expected: std::collections::BTreeSet<u8> = (0..PERSONS).map(|number| shard(&person(number))).collect();
    assert_eq!(
        (shards.len(), expected.len()),
        (16, 16),
        "too few persons for this test"
    );
    // A person's name is in no object.
    assert!(
        objects(&app, "")
            .await
            .iter()
            .all(|(key, bytes)| { !key.contains("v1.") && !String::from_utf8_lossy(bytes).contains("v1.") })
    );
    assert_eq!(statements(&app).await[0]["persons"], PERSONS);
    let key = KeyFile::of(&app).await;
    for (number, entries) in [(0, 1), (PERSONS - 1, 1), (PERSONS, 0), (PERSONS + 1, 0)] {
        let (code, output) = key.verify(&pages(&app, &person(number), 1).await).await;
        assert_eq!(code, 0, "{output}");
        let noun = if entries == 1 { "entry" } else { "entries" };
        assert!(
            output.contains(&format!(": {entries} {noun}, complete and unchanged")),
            "{output}"
        );
    }
    app.end().await;
}

/// Lists of operators concern several persons. They are sealed with the persons' entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_of_operators_are_sealed() {
    use shared::store::NoteCommand as _;
    let app = TestApp::with(|options| options.prewarm = false).await;
    let later = Later::of(&app, "account", days_later(0));
    let noted = later
        .table()
        .note_command(Access::TouchedListed, &Actor::Function, days_later(0));
    noted.await.expect("an entry");
    seal(&app, 1).await.expect("a seal");
    let statements = statements(&app).await;
    assert_eq!(
        (&statements[0]["entries"], &statements[0]["persons"]),
        (&json!(1), &json!(1))
    );
    let items = entries(&app).await;
    assert!(LogEntry::parse(items[0]["entry"].as_str().expect("an entry")).is_ok());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn age_of_the_last_seal_is_measured() {
    let (app, faults) = with_faults().await;
    assert_eq!(app.seal().await, Ok(1));
    let hours = |millis: f64| millis / 3_600_000.0;
    let ages = app.until_metric("SealAge", &[], 1).await;
    assert!((3.0..27.1).contains(&hours(ages[0])), "{ages:?}");
    // Nothing is left to seal. The age is measured nevertheless.
    faults.refuses.store(true, Ordering::SeqCst);
    assert_eq!(app.seal().await, Ok(0));
    assert_eq!(app.until_metric("SealAge", &[], 2).await.len(), 2);
    app.end().await;
}
