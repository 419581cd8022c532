//! The rate budget keeps the calls below Metriport's limits, however many requests arrive at once. A person who must
//! wait for it does not lose their challenge.

mod day;
mod shares;

use std::time::Duration;

use sandbox_machine::app::Reply;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::{Operation, PerMinute};
use shared::clock;
use shared::config::Env;
use shared::domain::budget::{Budget, Pace, Places};
use shared::domain::{Time, Timing};
use shared::store::{SpendDay, Table, TakePlace, TakeSlot, Took};
use tokio::task::JoinSet;

use crate::harness::{Person, TestApp, refused, retry_after, until};

const ADVANCE: &str = "ias-RunAdvanceQueue";

/// The table, as functions access it.
pub fn table(app: &TestApp) -> Table {
    let env = Env::from_pairs([("TABLE_NAME", "ias-Table"), ("ACCESS_LOG_RETENTION_DAYS", "1")]);
    let table = Table::read(&app.aws().dynamodb(), &env).expect("a table");
    table.with_log(&env, "test", Timing::default()).expect("an access log")
}

fn header(reply: &Reply, name: &str) -> String {
    let value = reply.headers.get(name).and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_never_get_the_same_slot() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (table, now) = (table(&app), clock::now());
    let pace = Pace::new(20, Timing::default());
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
    // A pause that Metriport asks for puts off the next slot for every function. A later pause with an earlier time
    // changes nothing.
    let later = now.plus(Duration::from_secs(3600));
    for turn in [later, now] {
        table.put_off_slots(Budget::QueryStarts, turn).await.expect("a write");
    }
    let took = table.take_slot(Budget::QueryStarts, &pace, now, later).await;
    assert_eq!(took, Ok(Took::Yes(later)));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_requests_get_exactly_the_places_there_are() {
    let app = TestApp::with(|options| options.prewarm = false).await;
    let (table, now) = (table(&app), clock::now());
    let places = Places::new(15, Timing::default());
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
async fn link_without_a_place_is_refused_with_the_wait() {
    let app = start_with_limits(|limits| limits.patient = 2).await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    // A place is held for a minute, the two seconds that a call may travel, and an extra millisecond. The wait is
    // rounded up to seconds.
    let window = (app.scaled(Duration::from_secs(62)).as_millis() + 1).div_ceil(1000);
    let linked = nora.link().await;
    assert_eq!(linked.status, 200);
    assert!(header(&linked, "ratelimit-policy").starts_with("\"patient\";q=5;w="));
    assert!(header(&linked, "ratelimit").starts_with("\"patient\";r=4;t="));
    let busy = mira.link().await;
    refused(&busy, 429, "upstream_busy", "retry");
    assert!((1..=window).contains(&retry_after(&busy).into()), "{:?}", busy.headers);
    // The refusal has no headers that would show how busy other persons are.
    assert_eq!(header(&busy, "ratelimit") + &header(&busy, "ratelimit-policy"), "");
    // The refused link has changed nothing: Mira is still unlinked. Nora's repeated demographics are equal, and do not
    // use up a part of her share.
    assert_eq!(mira.identity().await, "not_started");
    assert_eq!(header(&nora.link().await, "ratelimit"), "");
    assert_eq!(app.upstream(Operation::CreatePatient), 1);
    // However often Mira asks, the refusals do not use up her own share, because other persons' calls cause them.
    let linked = until("there is a place again", async || {
        let linked = mira.link().await;
        assert!(["upstream_busy", ""].contains(&&*linked.code()), "{linked:?}");
        (linked.status == 200).then_some(linked)
    })
    .await;
    assert!(header(&linked, "ratelimit").starts_with("\"patient\";r=4;t="));
    assert_within_limits(&app, "patient").await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_without_a_place_opens_once_a_place_is_free() {
    let app = start_without_shares(|limits| limits.identity = 4).await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    assert_eq!((nora.link().await.status, mira.link().await.status), (200, 200));
    nora.pass_identity_page().await;
    mira.pass_identity_page().await;
    nora.until_identity("verified").await;
    // Opens challenges until one is refused. So the challenge before it took the last free place, even on a slow
    // machine.
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
        header(&opened, "ratelimit").starts_with("\"identity\";r="),
        "{opened:?}"
    );
    refused(&busy, 429, "upstream_busy", "retry");
    let omar = app.person("omar", "Jane").await;
    assert_eq!(omar.link().await.status, 200);
    until("there is a place again", async || {
        let opened = omar.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
        (opened.status == 201).then_some(())
    })
    .await;
    assert_within_limits(&app, "identity").await;
    app.end().await;
}

/// Starts a sandbox with other limits, which the stand-in keeps at the functions' time scale. The scale is low, because
/// it also divides the two seconds that a call may travel.
async fn start_with_limits(change: impl FnOnce(&mut PerMinute)) -> TestApp {
    start(true, change).await
}

/// Starts such a sandbox without shares, so that one person can use up the budget.
async fn start_without_shares(change: impl FnOnce(&mut PerMinute)) -> TestApp {
    start(false, change).await
}

async fn start(person_shares: bool, change: impl FnOnce(&mut PerMinute)) -> TestApp {
    TestApp::with(|options| {
        options.time_scale = 5;
        options.stand_in.time_scale = 5;
        options.person_shares = person_shares;
        change(&mut options.stand_in.limits);
    })
    .await
}

/// Checks that the stand-in did not refuse a call, and that each of our own refusals was counted once.
async fn assert_within_limits(app: &TestApp, budget: &str) {
    assert_eq!(app.stand_in().stats().too_many_requests(), 0);
    let refusals = app.until_metric("BudgetRefusals", &[("Budget", budget)], 1).await;
    assert!(refusals.iter().all(|count| *count == 1.0), "{budget}: {refusals:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_start_without_a_place_is_deferred_within_the_limit() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
        options.stand_in.time_scale = 20;
        options.stand_in.limits.query = 2;
    })
    .await;
    let (nora, mira) = (app.person("nora", "Jane").await, app.person("mira", "Jane").await);
    tokio::join!(nora.verify_identity(), mira.verify_identity());
    let first = nora.start_from(&["hie"]).await;
    let (second, start_at) = start_in_a_later_slot(&mira).await;
    until("its message waits", async || (app.delayed(ADVANCE) > 0).then_some(())).await;
    // The second pull's message is lost. `reconcile` finds the pull half a minute after its slot, when no place is free
    // yet.
    app.purge(ADVANCE).await;
    let closed = start_at.plus(app.scaled(Duration::from_secs(80)));
    let closing = table(&app).close_places(Budget::QueryStarts, closed).await;
    closing.expect("a write");
    reconcile_until_completed(&app, [(&nora, &first), (&mira, &second)]).await;
    assert_start_was_deferred(&mira, &second, closed).await;
    assert_eq!(app.stand_in().stats().too_many_requests(), 0);
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 2);
    // The second pull has waited once for its slot and once for a place.
    let waits = app.until_metric("BudgetWait", &[("Budget", "query")], 2).await;
    assert!(waits.iter().all(|wait| *wait > 0.0), "{waits:?}");
    app.end().await;
}

/// Starts a pull whose slot is in the future; returns its id and the slot's time.
async fn start_in_a_later_slot(person: &Person) -> (String, Time) {
    let passed = person.pass_challenge().await;
    let accepted = person.app.start_query(&passed.ask_of(&["hie"])).await.unwrap();
    assert_eq!(accepted.status, 202, "{:?}", accepted.body);
    let start_at = Time::parse(&accepted.text("/estimatedStartAt")).expect("a time");
    assert!(start_at > clock::now());
    assert_eq!(header(&accepted, "ratelimit"), "");
    let id = accepted.text("/id");
    assert_eq!(person.read_pull(&id).await.text("/status"), "queued");
    (id, start_at)
}

async fn reconcile_until_completed(app: &TestApp, pulls: [(&Person, &str); 2]) {
    let [first, second] = pulls;
    let ended = until("both pulls have ended", async || {
        app.reconcile().await;
        let ended = [first.0.read_pull(first.1).await, second.0.read_pull(second.1).await];
        let waits = |pull: &Reply| pull.text("/next/action") == "wait";
        (!ended.iter().any(waits)).then_some(ended)
    })
    .await;
    assert_eq!(ended.map(|pull| pull.text("/status")), ["completed", "completed"]);
}

async fn assert_start_was_deferred(person: &Person, pull: &str, closed: Time) {
    let timeline = person.timeline(pull).await;
    let deferred = timeline
        .list("/events")
        .iter()
        .find(|event| event["code"] == "start_deferred");
    let deferred = deferred.unwrap_or_else(|| panic!("{:?}", timeline.body));
    assert_eq!(deferred["cause"], "budget");
    assert!(Time::parse(deferred["until"].as_str().unwrap()).unwrap() >= closed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn limit_met_upstream_pauses_every_person() {
    // The stand-in allows fewer calls than the functions expect, because the functions' time runs faster.
    let app = TestApp::with(|options| {
        options.time_scale = 60;
        options.stand_in.limits.patient = 2;
    })
    .await;
    // The longest wait for a place in our own budget, in whole seconds.
    let own = app.scaled(Duration::from_secs(62)).as_secs() + 1;
    let mut busy = None;
    for index in 0..6 {
        let linked = until("the budget has a place", async || {
            let linked = app.person(&format!("person-{index}"), "Jane").await.link().await;
            (linked.status == 200 || retry_after(&linked) > own).then_some(linked)
        })
        .await;
        if linked.status != 200 {
            busy = Some(linked);
            break;
        }
    }
    let busy = busy.expect("Metriport's limit was never reached");
    refused(&busy, 429, "upstream_busy", "retry");
    let met = app.stand_in().stats().limited();
    assert!(met > 0);
    for index in 10..14 {
        let held_off = app.person(&format!("person-{index}"), "Jane").await.link().await;
        refused(&held_off, 429, "upstream_busy", "retry");
    }
    assert_eq!(
        app.stand_in().stats().limited(),
        met,
        "no later call reached Metriport's limit"
    );
    app.end().await;
}
