//! The steps of `log-seal` and `account` at a later time. A test cannot wait for the end of a day, so it runs the steps
//! in its own process, with the functions' access keys and a clock of its own.

use std::io::Write as _;
use std::time::Duration;

use account::log_request::view_page;
use account::read_log::{PageRequest, read_log};
use sandbox_host::access_key_id;
use serde_json::Value;
use shared::config::Env;
use shared::domain::log::export::LogRange;
use shared::domain::log::{Access, Actor, LogDay};
use shared::domain::{OwnerId, Time, Timing};
use shared::edge::budget::PersonBudget;
use shared::metrics::Metrics;
use shared::ports::{Clock, StackName};
use shared::seals::{SealBucket, SealKey};
use shared::store::{NoteHour as _, Table};
use shared::{Error, clock};
use tempfile::TempDir;

use crate::cli;
use crate::harness::TestApp;

pub(super) struct FixedClock(Time);

impl Clock for FixedClock {
    fn now(&self) -> Time {
        self.0
    }

    fn timing(&self) -> Timing {
        Timing::default()
    }
}

/// A function's adapters, and a clock that stands still.
pub(super) struct Later {
    table: Table,
    seals: SealBucket,
    key: SealKey,
    clock: FixedClock,
    budget: PersonBudget,
}

shared::holds!(Later {
    HasStore: table: Table,
    HasSeals: seals: SealBucket,
    HasSealKey: key: SealKey,
    HasClock: clock: FixedClock,
    HasBudget: budget: PersonBudget,
});

impl StackName for Later {
    fn stack_name(&self) -> &'static str {
        "ias"
    }
}

/// The day after `days` more days, four hours after its start. The day before it can then be sealed.
pub(super) fn days_later(days: i64) -> Time {
    let today = LogDay::of(clock::now(), Timing::default());
    today.minus(-days).begin().plus(Duration::from_secs(4 * 3_600))
}

impl Later {
    pub(super) fn of(app: &TestApp, function: &str, now: Time) -> Self {
        let env = Env::from_pairs([
            ("TABLE_NAME", "ias-Table"),
            ("SEALS_BUCKET", "ias-sealsbucket"),
            ("SEAL_KEY_ID", "SealKey"),
            ("ACCESS_LOG_RETENTION_DAYS", "2192"),
            ("METRIPORT_LIMITS", "identity=15"),
            ("METRIPORT_DAILY_QUOTA", "500"),
            ("PERSON_BURST", "5"),
            ("PERSON_SHARE_PERCENT", "10"),
        ]);
        let aws = app.aws_as(&access_key_id(function));
        let table = Table::read(&aws.dynamodb(), &env).expect("a table");
        Self {
            table: table
                .clone()
                .with_log(&env, function, Timing::default())
                .expect("a log"),
            seals: SealBucket::read(&aws.s3(), &env).expect("a bucket"),
            key: SealKey::read(aws.kms(), &env).expect("a key"),
            clock: FixedClock(now),
            budget: PersonBudget::read(&table, &env, Timing::default(), &Metrics::off()).expect("a budget"),
        }
    }

    /// The table, for entries of other days.
    pub(super) const fn table(&self) -> &Table {
        &self.table
    }
}

/// Seals what can be sealed after this many days.
pub(super) async fn seal(app: &TestApp, days: i64) -> Result<usize, Error> {
    seal_at(app, days_later(days)).await
}

/// Seals what can be sealed at this time.
pub(super) async fn seal_at(app: &TestApp, now: Time) -> Result<usize, Error> {
    let later = Later::of(app, "log-seal", now);
    log_seal::seal::seal_days(&later, &Metrics::off()).await
}

/// The pages of a person's export after this many days, each as one line.
pub(super) async fn pages(app: &TestApp, owner: &OwnerId, days: i64) -> Vec<String> {
    read_pages(app, owner, days).await.expect("pages")
}

/// As [`pages`], with the first error.
pub(super) async fn read_pages(app: &TestApp, owner: &OwnerId, days: i64) -> Result<Vec<String>, Error> {
    let mut now = days_later(days);
    let later = Later::of(app, "account", now);
    let today = LogDay::of(now, Timing::default());
    let range = LogRange::read(None, None, today, today.minus(2_000)).expect("a range");
    let (mut ask, mut pages) = (Some(PageRequest::First(range)), Vec::new());
    while let Some(asked) = ask {
        let actor = Actor::Person { client: None };
        let read = read_log(&later, owner, &actor, asked, now).await?;
        pages.push(serde_json::to_string(&view_page(read.page, None)).expect("JSON"));
        ask = read.next.map(PageRequest::At);
        // The share of a person refills by a page each two seconds.
        now = now.plus(Duration::from_secs(2));
    }
    Ok(pages)
}

/// The only person with entries.
pub(super) async fn owner(app: &TestApp) -> OwnerId {
    let items = app.scan().await;
    let partitions = items
        .iter()
        .filter_map(|item| item["pk"].as_str()?.strip_prefix("LOG#v1."));
    let mut partitions: Vec<&str> = partitions.collect();
    partitions.dedup();
    let [only] = partitions[..] else {
        panic!("{partitions:?}")
    };
    OwnerId::parse(format!("v1.{only}")).expect("an owner id")
}

/// The public key of the seals, in a file.
pub(crate) struct KeyFile(TempDir);

impl KeyFile {
    /// Asks for the key as an operator does.
    pub(crate) async fn of(app: &TestApp) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        let path = path.to_str().expect("UTF-8");
        let mut variables = app.sandbox().aws().env();
        variables.push(("AWS_ACCESS_KEY_ID".to_owned(), "OPERATOR".to_owned()));
        let ended = cli::output_with(&["account", "seal-key", "--out", path], variables).await;
        assert!(ended.status.success(), "{}", cli::text(&ended.stderr));
        Self(folder)
    }

    /// The exit code of `ias verify-log`, and its output.
    pub(crate) async fn verify(&self, pages: &[String]) -> (i32, String) {
        let (file, key) = (self.0.path().join("export.jsonl"), self.0.path().join("key.pem"));
        let mut export = std::fs::File::create(&file).expect("a file");
        for page in pages {
            writeln!(export, "{page}").expect("a line");
        }
        let (file, key) = (file.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
        let ended = cli::output(&["verify-log", file, "--key", key]).await;
        let output = cli::text(&ended.stdout) + &cli::text(&ended.stderr);
        (ended.status.code().expect("a code"), output)
    }
}

/// Notes an access of the last day by a person with a record link, and seals the day.
pub(crate) async fn seal_an_entry(app: &TestApp) {
    let items = app.scan().await;
    let minted = items
        .iter()
        .find(|item| item["what"] == "link_minted")
        .expect("an entry of a link");
    let owner = minted["pk"]
        .as_str()
        .and_then(|pk| pk.strip_prefix("LOG#"))
        .expect("an owner");
    let owner = OwnerId::parse(owner).expect("an owner id");
    let env = Env::from_pairs([("TABLE_NAME", "ias-Table"), ("ACCESS_LOG_RETENTION_DAYS", "2192")]);
    let timing = app.timing();
    let table = Table::read(&app.aws().dynamodb(), &env).expect("a table");
    let table = table.with_log(&env, "account", timing).expect("a log");
    let ended = LogDay::ended_before(clock::now().minus(timing.seal_grace()), timing);
    let noted = table.note_hour(&owner, Access::RecordsListed, &Actor::Function, ended.begin());
    noted.await.expect("an entry");
    assert!(app.seal().await.expect("a seal") > 0);
}

/// The objects of the locked bucket under a prefix, by key.
pub(crate) async fn objects(app: &TestApp, prefix: &str) -> Vec<(String, Vec<u8>)> {
    let s3 = app.aws().s3();
    let listed = s3
        .list_objects_v2()
        .bucket("ias-sealsbucket")
        .prefix(prefix)
        .send()
        .await
        .expect("a list");
    let mut objects = Vec::new();
    for key in listed.contents().iter().filter_map(|object| object.key()) {
        let object = s3
            .get_object()
            .bucket("ias-sealsbucket")
            .key(key)
            .send()
            .await
            .expect("an object");
        let bytes = object.body.collect().await.expect("its bytes").to_vec();
        objects.push((key.to_owned(), bytes));
    }
    objects
}

/// The statements of the seals, oldest first.
pub(super) async fn statements(app: &TestApp) -> Vec<Value> {
    let seals = objects(app, "seals/").await.into_iter();
    let statements = seals.map(|(_, seal)| {
        let seal: Value = serde_json::from_slice(&seal).expect("a seal");
        serde_json::from_str(seal["seal"]["statement"].as_str().expect("a statement")).expect("JSON")
    });
    statements.collect()
}
