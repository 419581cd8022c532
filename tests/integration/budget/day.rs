//! The day's quota: the calls that count, and the requests that are refused or deferred once it is used up.

use std::time::Duration;

use sandbox_machine::app::Reply;
use sandbox_machine::functions::FUNCTION_NAMES;
use sandbox_machine::sandbox::AAL2_RETURN;
use sandbox_metriport::{Failure, Operation};
use serde_json::json;
use shared::clock;
use shared::config::Env;
use shared::domain::budget::{Budget, Share, Turn, midnight_after};
use shared::domain::{Time, Timing};
use shared::edge::budget::{PauseCalls, PlanStart, RateBudget, StartInTurn};
use shared::metrics::Metrics;
use shared::metriport::{UpstreamError, UpstreamErrorKind};
use shared::store::{ReadDay, SpendDay, Took};

use super::table;
use crate::harness::{Passed, Person, TestApp, refused, retry_after, until};

/// Calls per day, as few as the test needs.
const QUOTA: u32 = 60;

/// Uses up the part of the day's quota that one kind of call may use.
async fn spend_day(app: &TestApp, share: Share) {
    let table = table(app);
    let spend = || table.spend_day(clock::now(), share.of(QUOTA));
    while matches!(spend().await.expect("a count"), Took::Yes(_)) {}
}

/// Whether a refusal asks the caller to wait until midnight, give or take a minute. If midnight passes during the test,
/// the next midnight counts too.
fn until_midnight(reply: &Reply, sent_at: Time) -> bool {
    let wait = i64::try_from(retry_after(reply)).expect("a wait");
    let left = |at: Time| i64::try_from(at.until(midnight_after(at)).as_secs()).expect("seconds");
    (wait - left(sent_at)).abs() < 60 || (wait - left(clock::now())).abs() < 60
}

/// A start is retried several times while Metriport is unreachable, and these attempts do not count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unsent_call_does_not_count_for_the_day() {
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
        // The plan of a start does not count as a call; the turn of the start does.
        let planned = budget.plan_start(now, latest).await;
        assert!(matches!(planned, Ok(Turn::Granted(_))), "{planned:?}");
        assert_eq!(
            budget.turn_of_query(Some(now), now, latest).await,
            Ok(Turn::Granted(now))
        );
        let error = UpstreamError::new(shared::metriport::Operation::StartNetworkQuery, kind);
        budget.pause_calls(Budget::QueryStarts, &error, now).await;
    };
    assert_eq!(counted().await, 1);
    for _ in 0..5 {
        failed(UpstreamErrorKind::Connect).await;
    }
    assert_eq!(counted().await, 2);
    failed(UpstreamErrorKind::Timeout).await;
    failed(UpstreamErrorKind::Auth).await;
    assert_eq!(counted().await, 5);
    // The count of a day without calls stays zero.
    let tomorrow = midnight_after(now);
    table.unspend_day(tomorrow).await.expect("it may be");
    assert!(matches!(table.spend_day(tomorrow, 1).await, Ok(Took::Yes(1))));
    app.end().await;
}

/// The number of calls by functions that reached Metriport's gateway. It does not include downloads, hosted pages and
/// the set-up of the sandbox.
fn count_gateway_calls(app: &TestApp) -> usize {
    let by_function = |agent: &str| FUNCTION_NAMES.iter().any(|name| agent.ends_with(&format!("({name})")));
    let calls = app.stand_in().calls().into_iter();
    calls.filter(|call| by_function(&call.user_agent)).count()
}

/// The test has every kind of call, starts that were planned and deferred, and a call that was not made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn day_counts_exactly_the_calls_metriport_saw() {
    let app = TestApp::with(|options| options.time_scale = 15).await;
    let (nora, silas) = (app.person("nora", "Jane").await, app.person("silas", "Silas").await);
    // After a failed search, no creation is sent. A failed creation was sent, so it counts.
    for operation in [Operation::FindPatient, Operation::CreatePatient] {
        app.stand_in()
            .fail_next(operation, Failure::envelope(500, "InternalError", ""));
        assert_ne!(nora.link().await.status, 200);
    }
    until("the patient is linked", async || {
        (nora.link().await.status == 200).then_some(())
    })
    .await;
    nora.verify_identity().await;
    silas.verify_identity().await;
    app.stand_in().fail_next(
        Operation::StartNetworkQuery,
        Failure::envelope(429, "TooManyRequestsError", ""),
    );
    let pull = nora.start().await;
    // The pharmacy fails without a webhook, so only polls show that.
    let polled = silas.start().await;
    for (person, pull) in [(&nora, pull), (&silas, polled)] {
        until("the pull has ended", async || {
            app.reconcile().await;
            (person.read_pull(&pull).await.text("/next/action") != "wait").then_some(())
        })
        .await;
    }
    let id = nora.ask_record(&json!({ "conversionType": "pdf" })).await;
    nora.until_record(&id).await;
    app.drain().await;
    let counted = table(&app).day_calls(clock::now()).await.expect("a count");
    assert!(app.upstream(Operation::ReadNetworkQuery) > 0 && app.upstream(Operation::WebhookStatus) > 0);
    assert_eq!(usize::try_from(counted).unwrap(), count_gateway_calls(&app));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn used_up_day_refuses_requests_and_defers_polls() {
    let app = TestApp::with(|options| {
        options.time_scale = 100;
        options.stand_in.daily_quota = Some(QUOTA);
    })
    .await;
    let (silas, nora) = (app.person("silas", "Silas").await, app.person("nora", "Jane").await);
    silas.verify_identity().await;
    nora.verify_identity().await;
    let passed = nora.pass_challenge().await;
    let silent = silas.pass_challenge().await;
    spend_day(&app, Share::Status).await;
    assert_polls_are_put_off(&app, &silas, &silent).await;
    spend_day(&app, Share::Start).await;
    assert_starts_are_refused(&nora, &passed).await;
    // The last part of the quota is for persons who wait for a page, until that part is used up too.
    assert_eq!(nora.app.open_challenge(AAL2_RETURN).await.unwrap().status, 201);
    spend_day(&app, Share::Person).await;
    let sent_at = clock::now();
    let busy = nora.app.open_challenge(AAL2_RETURN).await.unwrap();
    assert_refused_until_midnight(&busy, sent_at);
    assert_eq!(app.stand_in().stats().too_many_requests(), 0);
    // At least a poll, a start and a challenge were refused.
    app.until_metric("BudgetRefusals", &[("Budget", "day")], 3).await;
    let used = app.until_metric("DailyQuotaUsed", &[], 2).await;
    assert!(used.iter().all(|percent| (0.0..=100.0).contains(percent)), "{used:?}");
    app.stop().await;
}

/// The pharmacy fails without a webhook. Only a poll would show that, and the day's quota has no poll left.
async fn assert_polls_are_put_off(app: &TestApp, silas: &Person, passed: &Passed) {
    let pull = silas.app.start_query(&passed.ask()).await.unwrap();
    assert_eq!(pull.status, 202, "{:?}", pull.body);
    let id = pull.text("/id");
    let event = until("the poll is put off", async || {
        app.reconcile().await;
        let timeline = silas.timeline(&id).await;
        let events = timeline.list("/events");
        events.iter().find(|event| event["code"] == "poll_failed").cloned()
    })
    .await;
    assert_eq!(event["code"], "poll_failed");
    assert_eq!(app.upstream(Operation::ReadNetworkQuery), 0);
}

async fn assert_starts_are_refused(nora: &Person, passed: &Passed) {
    let sent_at = clock::now();
    let busy = nora.app.start_query(&passed.ask()).await.unwrap();
    assert_refused_until_midnight(&busy, sent_at);
    let pulls = nora.app.get("/v1/network-queries").await.unwrap();
    assert!(pulls.list("/networkQueries").is_empty());
}

#[track_caller]
fn assert_refused_until_midnight(busy: &Reply, sent_at: Time) {
    refused(busy, 429, "upstream_busy", "retry");
    assert!(until_midnight(busy, sent_at), "{:?}", busy.headers);
}
