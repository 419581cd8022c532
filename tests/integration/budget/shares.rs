//! A person's own share: requests beyond it are refused, cost nothing, and do not affect other persons.

use std::time::Duration;

use sandbox_machine::sandbox::IDENTITY_RETURN;
use sandbox_metriport::Operation;
use shared::clock;
use shared::config::Env;
use shared::domain::budget::{Limits, PersonAsk, PersonRules, PersonShares, ShareKind};
use shared::domain::{OwnerId, Time, Timing};
use shared::edge::budget::PersonBudget;
use shared::metrics::Metrics;
use shared::store::{SpendShare, Table, Took};
use tokio::task::JoinSet;

use super::{header, table};
use crate::harness::{TestApp, refused, retry_after};

fn rules() -> PersonRules {
    PersonRules {
        burst: 5,
        percent: 10,
        limits: Limits::default(),
        daily_quota: 500,
        timing: Timing::default(),
    }
}

fn owner(name: &str) -> OwnerId {
    OwnerId::parse(format!("v1.{name}")).expect("an owner")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_beyond_their_share_is_refused_and_others_are_served() {
    let app = TestApp::start().await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    assert_eq!((nora.link().await.status, mira.link().await.status), (200, 200));
    for left in (0..5).rev() {
        let opened = nora.open_identity().await;
        assert_eq!(header(&opened, "ratelimit-policy"), "\"identity\";q=5;w=231");
        assert!(header(&opened, "ratelimit").starts_with(&format!("\"identity\";r={left};t=")));
    }
    let before = (app.snapshot().await, app.shares().await);
    for _ in 0..20 {
        let beyond = nora.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
        refused(&beyond, 429, "too_many_requests", "retry");
        // The bucket regains one request in 46 seconds.
        assert!((1..=47).contains(&retry_after(&beyond)), "{:?}", beyond.headers);
        assert!(header(&beyond, "ratelimit").starts_with("\"identity\";r=0;t="));
    }
    let after = (app.snapshot().await, app.shares().await);
    assert_eq!(after, before, "a refusal writes nothing and makes no call");
    assert_eq!(app.upstream(Operation::CreateIdentitySession), 5);
    mira.open_identity().await;
    let refusals = app.until_metric("ShareRefusals", &[("Share", "identity")], 20).await;
    assert_eq!(refusals.len(), 20);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_of_one_person_get_only_the_burst() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (table, now) = (table(&app), clock::now());
    let mut asking = JoinSet::new();
    for _ in 0..40 {
        let table = table.clone();
        asking.spawn(async move {
            let nora = owner("nora");
            table.spend_share(&nora, PersonAsk::Challenge, &rules(), now).await
        });
    }
    let taken = asking.join_all().await;
    let served = taken.iter().filter(|took| matches!(took, Ok(Took::Yes(_))));
    assert_eq!(served.count(), 5, "{taken:?}");
    // Neither another person's share nor the same person's other buckets are smaller now.
    let mira = table
        .spend_share(&owner("mira"), PersonAsk::Challenge, &rules(), now)
        .await;
    let record = table
        .spend_share(&owner("nora"), PersonAsk::Record, &rules(), now)
        .await;
    assert!(matches!((mira, record), (Ok(Took::Yes(_)), Ok(Took::Yes(_)))));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invalid_share_percentage_stops_the_function_by_name() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let table = table(&app);
    let read = |burst: &str, percent: &str| {
        let env = Env::from_pairs([
            ("METRIPORT_LIMITS", "identity=15"),
            ("METRIPORT_DAILY_QUOTA", "500"),
            ("PERSON_BURST", burst),
            ("PERSON_SHARE_PERCENT", percent),
        ]);
        let read = PersonBudget::read(&table, &env, Timing::default(), &Metrics::off());
        read.err().map(|error| error.name)
    };
    for good in ["1", "5", "100"] {
        assert_eq!(read(good, good), None, "{good}");
    }
    for bad in ["", "0", "101", "-1", "5.5", "ten"] {
        assert_eq!(read(bad, "10"), Some("PERSON_BURST"), "{bad}");
        assert_eq!(read("5", bad), Some("PERSON_SHARE_PERCENT"), "{bad}");
    }
    app.end().await;
}

/// The requests of one person, each with the seconds since the request before it.
const STEPS: [(PersonAsk, u64); 18] = [
    (PersonAsk::Challenge, 0),
    (PersonAsk::Challenge, 0),
    (PersonAsk::Link, 1),
    (PersonAsk::Link, 5),
    (PersonAsk::PatientWrite, 0),
    (PersonAsk::Challenge, 0),
    (PersonAsk::IdentitySession, 60),
    (PersonAsk::Challenge, 0),
    (PersonAsk::Challenge, 0),
    (PersonAsk::Challenge, 0),
    (PersonAsk::Record, 600),
    (PersonAsk::Challenge, 0),
    (PersonAsk::Challenge, 100),
    (PersonAsk::Challenge, 90_000),
    (PersonAsk::Link, 86_400),
    (PersonAsk::LogPage, 0),
    (PersonAsk::LogPage, 1),
    (PersonAsk::Record, 1),
];

/// The table must decide each step as the domain does. It has two writes: one if the bucket is full, and one over the
/// stored shares.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn table_takes_shares_as_the_domain_does() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (table, nora, rules) = (table(&app), owner("nora"), rules());
    let (mut now, mut expected) = (Time::from_millis(1_795_345_402_005), PersonShares::default());
    for (ask, gap) in STEPS {
        now = now.plus(Duration::from_secs(gap));
        match (take(&table, &nora, ask, now).await, expected.take(ask, &rules, now)) {
            (Took::Yes(stored), Ok(next)) => {
                let full_at = |shares: &PersonShares| ShareKind::ALL.map(|kind| shares.full_at(kind));
                assert_eq!(
                    (full_at(&stored), stored.version),
                    (full_at(&next), next.version),
                    "{ask:?} {now}"
                );
                assert!(ask.calls() == 0 || (&stored.day, stored.calls) == (&next.day, next.calls));
                expected = stored;
            }
            (Took::No(stored), Err(_)) => assert_eq!(stored, expected),
            (stored, decided) => panic!("{ask:?} {now}: {stored:?}, not {decided:?}"),
        }
    }
    let taken = expected.take(PersonAsk::Record, &rules, now).expect("a share");
    take(&table, &nora, PersonAsk::Record, now).await;
    // The share is given back to the stored item, although `expected` is stale.
    let given = table
        .give_share_back(&nora, expected, PersonAsk::Record, &rules, now)
        .await;
    given.expect("a write");
    let Took::Yes(after) = take(&table, &nora, PersonAsk::Record, now).await else {
        panic!("the share was not given back")
    };
    assert_eq!(
        (after.full_at(ShareKind::Consolidated), after.calls),
        (taken.full_at(ShareKind::Consolidated), taken.calls)
    );
    app.end().await;
}

async fn take(table: &Table, owner: &OwnerId, ask: PersonAsk, now: Time) -> Took<PersonShares> {
    table.spend_share(owner, ask, &rules(), now).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pulls_beyond_the_share_are_refused_and_change_nothing() {
    let app = TestApp::with(|options| {
        options.stand_in.limits.identity = 100_000;
        // The bucket regains one pull in five and a half minutes.
        let share = ("PERSON_SHARE_PERCENT".to_owned(), "1".to_owned());
        options.extra_env.push(share);
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    for _ in 0..5 {
        nora.pull_hie().await;
    }
    let passed = nora.pass_challenge().await;
    let before = app.snapshot().await;
    for _ in 0..2 {
        let beyond = nora.app.start_query(&passed.ask()).await.unwrap();
        refused(&beyond, 429, "too_many_requests", "retry");
        assert!((1..=334).contains(&retry_after(&beyond)), "{:?}", beyond.headers);
        assert!(header(&beyond, "ratelimit").starts_with("\"query\";r=0;t="));
    }
    assert_eq!(app.snapshot().await, before, "a refusal uses no share");
    app.end().await;
}
