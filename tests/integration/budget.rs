//! The rate budget: whatever happens at once, upstream's limits are not met, and nobody loses a challenge to them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ias::app::Reply;
use ias::burst::{BurstOptions, burst};
use ias::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_host::Runner;
use sandbox_metriport::{Operation, PerMinute};
use shared::clock;
use shared::config::Env;
use shared::domain::budget::{Budget, Pace, Places, Share, Turn, midnight_after};
use shared::domain::{Time, Timing};
use shared::edge::budget::{HeedLimits, RateBudget, StartInTurn};
use shared::metrics::Metrics;
use shared::metriport::{Operation as sent, UpstreamError, UpstreamErrorKind};
use shared::store::{SpendDay, Table, TakePlace, TakeSlot, Took};
use tokio::task::JoinSet;

use crate::harness::{TestApp, followed, refused, retry_after, until};

const ADVANCE: &str = "ias-RunAdvanceQueue";

/// The table, as functions see it.
pub fn table(app: &TestApp) -> Table {
    let env = Env::from_pairs([("TABLE_NAME", "ias-Table")]);
    Table::read(&app.aws().dynamodb(), &env).expect("a table")
}

/// Uses up a share of the day, whatever its quota.
async fn spend_day(app: &TestApp, share: Share, quota: u32) {
    let table = table(app);
    let spend = || table.spend_day(clock::now(), share.of(quota));
    while matches!(spend().await.expect("a count"), Took::Yes(_)) {}
}

fn header(reply: &Reply, name: &str) -> String {
    let value = reply.headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

/// Whether a refusal names midnight, or the midnight after, should the test run into it.
fn until_midnight(reply: &Reply, asked: Time) -> bool {
    let wait = i64::try_from(retry_after(reply)).expect("a wait");
    let left = |at: Time| i64::try_from(at.until(midnight_after(at)).as_secs()).expect("seconds");
    (wait - left(asked)).abs() < 60 || (wait - left(clock::now())).abs() < 60
}

/// However often a start is tried while Metriport cannot be reached.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_could_not_be_sent_is_none_of_the_day() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let limits = ("METRIPORT_LIMITS", "patient=15,identity=15,query=20,consolidated=120");
    let env = Env::from_pairs([limits, ("METRIPORT_DAILY_QUOTA", "500")]);
    let (table, now) = (table(&app), clock::now());
    let budget = RateBudget::read(&table, &env, Timing::default(), &Metrics::off()).expect("a budget");
    let counted = async || match table.spend_day(now, u32::MAX).await.expect("a count") {
        Took::Yes(calls) | Took::No(calls) => calls,
    };
    let failed = async |kind| {
        let latest = now.plus(Duration::from_secs(3600));
        let turn = budget.plan_start(Budget::QueryStarts, now, latest).await;
        assert!(matches!(turn, Ok(Turn::Granted(..))), "{turn:?}");
        let error = UpstreamError::new(sent::StartNetworkQuery, kind);
        budget.heed(Budget::QueryStarts, &error, now).await;
    };
    assert_eq!(counted().await, 1);
    for _ in 0..5 {
        failed(UpstreamErrorKind::Connect).await;
    }
    assert_eq!(counted().await, 2);
    failed(UpstreamErrorKind::Timeout).await;
    failed(UpstreamErrorKind::Auth).await;
    assert_eq!(counted().await, 5);
    // Of a day on which none was counted, none is taken back.
    let tomorrow = midnight_after(now);
    table.unspend_day(tomorrow).await.expect("it may be");
    assert!(matches!(table.spend_day(tomorrow, 1).await, Ok(Took::Yes(1))));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_slot_is_given_twice_however_many_ask() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (table, now) = (table(&app), clock::now());
    let pace = Pace::new(Budget::QueryStarts, 20, Timing::default());
    let latest = pace.latest_to_accept(now.plus(Timing::default().aal2_session()));
    let mut asking = JoinSet::new();
    for _ in 0..16 {
        let table = table.clone();
        asking.spawn(async move {
            let mut took = Vec::new();
            for _ in 0..6 {
                took.push(table.take_slot(Budget::QueryStarts, &pace, now, latest).await);
            }
            took
        });
    }
    let (mut turns, mut refused) = (Vec::new(), 0);
    for took in asking.join_all().await.into_iter().flatten() {
        match took.expect("an answer") {
            Took::Yes(turn) => turns.push(turn),
            Took::No(next) => {
                assert!(pace.slot(next, now) > latest);
                refused += 1;
            }
        }
    }
    turns.sort_unstable();
    let expected: Vec<_> = (0..76).map(|turn| now.plus(pace.spacing() * turn)).collect();
    assert_eq!((turns, refused), (expected, 20));
    // A pause that upstream asks for holds for everybody; an earlier one changes nothing.
    let later = now.plus(Duration::from_secs(3600));
    for turn in [later, now] {
        table.put_off_slots(Budget::QueryStarts, turn).await.expect("a write");
    }
    let took = table.take_slot(Budget::QueryStarts, &pace, now, later).await;
    assert_eq!(took, Ok(Took::Yes(later)));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn as_many_places_are_given_as_there_are() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (table, now) = (table(&app), clock::now());
    let places = Places::new(Budget::Identity, 15, Timing::default());
    let take = async |at: Time| {
        let mut asking = JoinSet::new();
        for draw in 0..60 {
            let table = table.clone();
            asking.spawn(async move { table.take_place(Budget::Identity, &places, at, draw * 7).await });
        }
        let taken = asking.join_all().await.into_iter();
        taken.filter(|took| matches!(took, Ok(Took::Yes(_)))).count()
    };
    assert_eq!(take(now).await, 13);
    assert_eq!(take(now.plus(Duration::from_secs(61))).await, 0);
    assert_eq!(take(now.plus(places.hold())).await, 13);
    let later = now.plus(Duration::from_secs(3600));
    table.close_places(Budget::Identity, later).await.expect("a write");
    assert_eq!(take(now.plus(Duration::from_secs(3599))).await, 0);
    assert_eq!(take(later).await, 13);

    let mut counting = JoinSet::new();
    for _ in 0..40 {
        let table = table.clone();
        counting.spawn(async move { table.spend_day(now, 25).await });
    }
    let (mut counted, mut refused) = (Vec::new(), 0);
    for spent in counting.join_all().await {
        match spent.expect("an answer") {
            Took::Yes(calls) => counted.push(calls),
            Took::No(calls) => refused += u32::from(calls == 25),
        }
    }
    counted.sort_unstable();
    assert_eq!(
        (counted, refused),
        ((1..=25).collect(), 15),
        "each call has its own number"
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_an_answer_gets_it_at_once_or_is_told_when() {
    // No faster: a call may take two seconds to arrive, which the scale divides.
    let app = TestApp::with(|options| {
        options.time_scale = 5;
        options.stand_in.time_scale = 5;
        options.stand_in.limits = PerMinute {
            identity: 4,
            patient: 2,
            ..PerMinute::default()
        };
    })
    .await;
    let (nora, mira) = (app.person("nora", "Jane"), app.person("mira", "Jane"));
    // A minute and how long a call may travel, in whole seconds.
    let window = app.scaled(Duration::from_secs(62)).as_millis().div_ceil(1000);
    let linked = nora.link().await;
    assert_eq!(
        (linked.status, header(&linked, "ratelimit-policy")),
        (200, format!("\"patient\";q=1;w={window}"))
    );
    let busy = mira.link().await;
    refused(&busy, 429, "upstream_busy", "retry");
    assert!((1..=window).contains(&retry_after(&busy).into()), "{:?}", busy.headers);
    assert!(header(&busy, "ratelimit").starts_with("\"patient\";r=0;t="));
    // Nothing was begun: the person is as unlinked as before, and equal demographics cost nothing.
    assert_eq!(mira.identity().await, "not_started");
    assert_eq!(header(&nora.link().await, "ratelimit"), "");
    assert_eq!(app.upstream(Operation::CreatePatient), 1);
    until("there is a place again", async || {
        (mira.link().await.status == 200).then_some(())
    })
    .await;

    nora.pass_identity_page().await;
    mira.pass_identity_page().await;
    nora.until_identity("verified").await;
    // One after the other until somebody is refused: whoever came before had the last place, however long it all took.
    let mut opened = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
    assert_eq!(opened.status, 201, "{opened:?}");
    let busy = loop {
        let next = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
        if next.status != 201 {
            break next;
        }
        opened = next;
    };
    assert!(
        header(&opened, "ratelimit").starts_with("\"identity\";r=0;t="),
        "{opened:?}"
    );
    refused(&busy, 429, "upstream_busy", "retry");
    let omar = app.person("omar", "Jane");
    until("there is a place again", async || {
        (omar.link().await.status == 200).then_some(())
    })
    .await;
    until("there is a place again", async || {
        let opened = omar.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
        (opened.status == 201).then_some(())
    })
    .await;
    assert_eq!(app.stand_in().stats().too_many_requests(), 0);
    for kind in ["patient", "identity"] {
        let refusals = app.until_measured("BudgetRefusals", &[("Budget", kind)], 1).await;
        assert!(refusals.iter().all(|count| *count == 1.0), "{kind}: {refusals:?}");
    }
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_is_late_or_finds_no_place_still_keeps_the_limit() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in.time_scale = 20;
        options.stand_in.limits.query = 2;
    })
    .await;
    let (nora, mira) = (app.person("nora", "Jane"), app.person("mira", "Jane"));
    tokio::join!(nora.verify_identity(), mira.verify_identity());
    let first = nora.start_from(&["hie"]).await;
    let passed = mira.pass_challenge().await;
    let accepted = mira.app.start_query(&passed.ask_of(&["hie"])).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let start_at = Time::parse(&accepted.text("/estimatedStartAt")).expect("a time");
    assert!(start_at > clock::now());
    assert!(
        header(&accepted, "ratelimit").starts_with("\"query\";r="),
        "{:?}",
        accepted.headers
    );
    let id = accepted.text("/id");
    assert_eq!(mira.run(&id).await.text("/status"), "queued");
    until("its message waits", async || (app.delayed(ADVANCE) > 0).then_some(())).await;
    // Its message is lost, and when it is found again there is no place for a while.
    app.purge(ADVANCE).await;
    let closed = start_at.plus(app.scaled(Duration::from_secs(80)));
    table(&app)
        .close_places(Budget::QueryStarts, closed)
        .await
        .expect("a write");
    let ended = until("both pulls have ended", async || {
        app.reconcile().await;
        let ended = (nora.run(&first).await, mira.run(&id).await);
        let waits = |run: &Reply| run.text("/next/action") == "wait";
        (!waits(&ended.0) && !waits(&ended.1)).then_some(ended)
    })
    .await;
    assert_eq!(
        (ended.0.text("/status"), ended.1.text("/status")),
        ("completed".into(), "completed".into())
    );
    let timeline = mira.timeline(&id).await;
    let deferred = timeline
        .list("/events")
        .iter()
        .find(|event| event["code"] == "start_deferred");
    let deferred = deferred.unwrap_or_else(|| panic!("{:?}", timeline.body));
    assert_eq!(deferred["cause"], "budget");
    assert!(Time::parse(deferred["until"].as_str().unwrap()).unwrap() >= closed);
    assert_eq!(app.stand_in().stats().too_many_requests(), 0);
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 2);
    // Once for its slot, and once for its place.
    let waits = app.until_measured("BudgetWait", &[("Budget", "query")], 2).await;
    assert!(waits.iter().all(|wait| *wait > 0.0), "{waits:?}");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_is_used_up_refuses_and_defers() {
    const QUOTA: u32 = 60;
    let app = TestApp::with(|options| {
        options.time_scale = 100;
        options.stand_in.daily_quota = Some(QUOTA);
    })
    .await;
    let (silas, nora) = (app.person("silas", "Silas"), app.person("nora", "Jane"));
    silas.verify_identity().await;
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;
    let silent = silas.pass_challenge().await;
    spend_day(&app, Share::Status, QUOTA).await;
    // Its pharmacy fails in silence: only a poll would show it, and polls are over for today.
    let run = silas.app.start_query(&silent.ask()).await.unwrap();
    assert_eq!(run.status, 202, "{:?}", run.body);
    let id = run.text("/id");
    let timeline = until("the poll is put off", async || {
        app.reconcile().await;
        let timeline = silas.timeline(&id).await;
        let events = timeline.list("/events");
        events.iter().find(|event| event["code"] == "poll_failed").cloned()
    })
    .await;
    assert_eq!(timeline["code"], "poll_failed");
    assert_eq!(app.upstream(Operation::ReadNetworkQuery), 0);

    spend_day(&app, Share::Start, QUOTA).await;
    let asked = clock::now();
    let busy = nora.app.start_query(&passed.ask()).await.unwrap();
    refused(&busy, 429, "upstream_busy", "retry");
    assert!(until_midnight(&busy, asked), "{:?}", busy.headers);
    assert!(
        nora.app
            .get("/v1/network-queries")
            .await
            .unwrap()
            .list("/networkQueries")
            .is_empty()
    );
    // Who waits for a page still gets it, and then nobody does.
    assert_eq!(nora.app.open_challenge(AAL2_RETURN).await.unwrap().status, 201);
    spend_day(&app, Share::Person, QUOTA).await;
    let busy = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
    refused(&busy, 429, "upstream_busy", "retry");
    assert!(until_midnight(&busy, asked), "{:?}", busy.headers);
    assert_eq!(app.stand_in().stats().too_many_requests(), 0);
    // A poll, a start, a page, and whatever else was asked for meanwhile.
    app.until_measured("BudgetRefusals", &[("Budget", "day")], 3).await;
    let used = app.until_measured("DailyQuotaUsed", &[], 2).await;
    assert!(used.iter().all(|percent| (0.0..=100.0).contains(percent)), "{used:?}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_is_met_all_the_same_holds_everybody_off() {
    // Upstream allows less than the operator says: the functions' time runs faster than its own.
    let app = TestApp::with(|options| {
        options.time_scale = 60;
        options.stand_in.limits.patient = 2;
    })
    .await;
    // What our own budget lets anybody wait for a place, in whole seconds.
    let own = app.scaled(Duration::from_secs(62)).as_secs() + 1;
    let mut busy = None;
    for index in 0..6 {
        let linked = until("the budget has a place", async || {
            let linked = app.person(&format!("person-{index}"), "Jane").link().await;
            (linked.status == 200 || retry_after(&linked) > own).then_some(linked)
        })
        .await;
        if linked.status != 200 {
            busy = Some(linked);
            break;
        }
    }
    let busy = busy.expect("upstream's limit was never met");
    refused(&busy, 429, "upstream_busy", "retry");
    let met = app.stand_in().stats().limited();
    assert!(met > 0);
    for index in 10..14 {
        let held_off = app.person(&format!("person-{index}"), "Jane").link().await;
        refused(&held_off, 429, "upstream_busy", "retry");
    }
    assert_eq!(app.stand_in().stats().limited(), met, "nobody ran into it again");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_meets_no_limit_and_everybody_gets_through() {
    // More than one session's life has slots for, and no more than a busy machine serves within it.
    const PEOPLE: u32 = 40;
    let (exe, args) = (PathBuf::from(env!("CARGO_BIN_EXE_ias")), vec!["function".to_owned()]);
    let log = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&log);
    let options = BurstOptions {
        people: PEOPLE as usize,
        query_limit: 6,
        // Faster, and one session's life would not last for the crowd even on a quiet machine.
        time_scale: followed(10),
    };
    let lines: sandbox_host::LogSink =
        Arc::new(move |line| sink.lock().unwrap().push(format!("{}: {}", line.function, line.text)));
    let report = burst(Runner::SelfExec { exe, args }, options, lines)
        .await
        .expect("a burst");
    let warnings: Vec<_> = log
        .lock()
        .unwrap()
        .iter()
        .filter(|line| line.contains("WARN"))
        .cloned()
        .collect();
    assert!(report.breaches.is_empty(), "{report:?}\n{}", warnings.join("\n"));
    let (accepted, refused) = report.rounds.iter().fold((0, 0), |(accepted, refused), round| {
        (accepted + round.completed, refused + round.refused)
    });
    assert_eq!(
        (accepted, report.starts, report.limited),
        (PEOPLE as usize, u64::from(PEOPLE), 0),
        "{report:?}"
    );
    assert!(
        refused >= 1 && report.rounds.len() >= 2,
        "nobody was refused: {report:?}"
    );
}
