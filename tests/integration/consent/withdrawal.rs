//! A withdrawal of consent ends all open work. A call that began before is not lost, but nothing follows from it. No
//! call begins later.

pub(crate) mod hold;

use sandbox_machine::app::Reply;
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use sandbox_metriport::Operation;
use serde_json::{Value, json};

use self::hold::Hold;
use super::notice;
use crate::harness::{Person, TestApp, refused};

async fn withdraw(person: &Person) -> Reply {
    let reply = person.app.withdraw_consent().await.expect("an answer");
    assert_eq!(reply.status, 200, "{:?}", reply.body);
    reply
}

/// The stored items whose sort key begins like this.
async fn stored(app: &TestApp, sort_key: &str) -> Vec<Value> {
    let mut items = app.scan().await;
    items.retain(|item| item["sk"].as_str().is_some_and(|sk| sk.starts_with(sort_key)));
    items
}

/// The refusal for lack of consent, which names the notice in force.
fn refused_with_notice(reply: &Reply) {
    refused(reply, 403, "consent_required", "give_consent");
    assert_eq!(reply.body["next"]["notice"], notice());
}

async fn entries(app: &TestApp, what: &str) -> usize {
    let items = app.scan().await;
    items.iter().filter(|item| item["what"] == what).count()
}

/// Waits for the work that a withdrawal may have left, then checks that the pull is withdrawn, and that neither a
/// session nor the patient's lock is left.
async fn assert_withdrawn(app: &TestApp, nora: &Person, pull: &str) {
    app.drain().await;
    app.reconcile().await;
    app.drain().await;
    let shown = nora.read_pull(pull).await;
    assert_eq!(shown.text("/status"), "withdrawn", "{:?}", shown.body);
    assert_eq!(shown.text("/next/action"), "give_consent");
    let challenge = stored(app, "CHALLENGE").await.remove(0);
    assert_eq!(
        (&challenge["pending"], &challenge["held"]),
        (&Value::Null, &Value::Null)
    );
    assert!(stored(app, "OPEN_RUN").await.is_empty());
    refused(&nora.records().await, 403, "consent_required", "give_consent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answer_to_a_start_is_noted_after_the_withdrawal() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    hold.answer_to(Operation::StartNetworkQuery);
    let id = nora.start().await;
    hold.until_held().await;
    let reply = withdraw(&nora).await;
    assert_eq!(reply.body["ended"], json!({ "networkQueries": 1, "records": 0 }));
    hold.release();
    assert_withdrawn(&app, &nora, &id).await;
    assert_eq!(
        nora.codes(&id).await,
        ["accepted", "start_claimed", "consent_withdrawn", "started"]
    );
    app.stand_in().release_all().await;
    assert_withdrawn(&app, &nora, &id).await;
    let sources = nora.read_pull(&id).await;
    let completed = |source: &Value| source["status"] == "completed";
    assert!(sources.list("/sources").iter().all(completed), "{:?}", sources.body);
    assert!(stored(&app, "RECORD#").await.is_empty());
    assert_eq!(app.stand_in().stats().calls(Operation::StartConsolidatedQuery), 0);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_that_is_not_claimed_is_never_sent() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.call_of("query-dispatch", "TransactWriteItems");
    let id = nora.start().await;
    hold.until_held().await;
    withdraw(&nora).await;
    hold.release();
    assert_withdrawn(&app, &nora, &id).await;
    assert_eq!(nora.codes(&id).await, ["accepted", "consent_withdrawn"]);
    assert_eq!(app.stand_in().stats().calls(Operation::StartNetworkQuery), 0);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_after_the_withdrawal_starts_nothing() {
    let (_, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    app.until_held("network-query.", 3).await;
    withdraw(&nora).await;
    app.stand_in().release_all().await;
    assert_withdrawn(&app, &nora, &id).await;
    assert!(stored(&app, "RECORD#").await.is_empty());
    let calls = [Operation::StartConsolidatedQuery, Operation::ReadNetworkQuery];
    assert_eq!(calls.map(|operation| app.stand_in().stats().calls(operation)), [0, 0]);
    app.end().await;
}

/// The webhook is stored before the withdrawal and processed after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_between_receipt_and_effect_starts_nothing() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["lab"]).await;
    app.until_held("network-query.", 1).await;
    hold.call_of("webhook-process", "TransactWriteItems");
    app.stand_in().release_all().await;
    hold.until_held().await;
    withdraw(&nora).await;
    hold.release();
    assert_withdrawn(&app, &nora, &id).await;
    let codes = nora.codes(&id).await;
    assert_eq!(
        codes[2..],
        ["started", "consent_withdrawn", "source_reported"],
        "{codes:?}"
    );
    assert!(stored(&app, "RECORD#").await.is_empty());
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transfer_that_ends_after_the_withdrawal_stores_no_record() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.answer_to(Operation::DownloadFile);
    let id = nora.start_from(&["lab"]).await;
    hold.until_held().await;
    let reply = withdraw(&nora).await;
    assert_eq!(reply.body["ended"], json!({ "networkQueries": 1, "records": 1 }));
    assert_eq!(reply.body["kept"], json!({ "records": 0 }));
    hold.release();
    assert_withdrawn(&app, &nora, &id).await;
    let record = stored(&app, "RECORD#").await.remove(0);
    assert_eq!(
        (&record["state"], &record["reason"]),
        (&json!("failed"), &json!("consent_withdrawn"))
    );
    assert_eq!(record["object"], Value::Null);
    // The transfer ended before another record could claim the lock, so the withdrawal released it.
    assert!(stored(&app, "OPEN_CONSOLIDATED").await.is_empty());
    assert_eq!(entries(&app, "record_stored").await, 0);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_with_a_running_query_keeps_a_short_lock() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.answer_to(Operation::StartConsolidatedQuery);
    let id = nora.start_from(&["lab"]).await;
    hold.until_held().await;
    withdraw(&nora).await;
    hold.release();
    assert_withdrawn(&app, &nora, &id).await;
    let record = stored(&app, "RECORD#").await.remove(0);
    assert_eq!((&record["state"], &record["request"]), (&json!("failed"), &Value::Null));
    let lock = stored(&app, "OPEN_CONSOLIDATED").await.remove(0);
    assert_eq!(lock["holder"], record["id"]);
    assert!(lock["deadline"].as_i64() < record["expiresAt"].as_i64(), "{lock}");
    assert_eq!(app.stand_in().stats().calls(Operation::DownloadFile), 0);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_is_refused_once_the_consent_is_withdrawn() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    hold.call_of("record-read", "TransactWriteItems");
    let (answer, reply) = tokio::join!(nora.final_record(&pull), async {
        hold.until_held().await;
        let reply = withdraw(&nora).await;
        hold.release();
        reply
    });
    refused(&answer, 403, "consent_required", "give_consent");
    assert_eq!(entries(&app, "link_minted").await, 0);
    assert_eq!(
        (&reply.body["ended"]["records"], &reply.body["kept"]["records"]),
        (&json!(0), &json!(1))
    );
    assert!(!reply.text("/kept/until").is_empty());
    app.end().await;
}

/// The withdrawal comes after the first read of the consent, and before the call to Metriport.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_is_not_opened_after_the_withdrawal() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    hold.call_of("identity-session", "UpdateItem");
    let (answer, _) = tokio::join!(
        nora.app.open_identity_session(IDENTITY_RETURN),
        hold.withdraw_meanwhile(&nora)
    );
    refused(&answer.unwrap(), 403, "consent_required", "give_consent");
    assert_eq!(app.stand_in().stats().calls(Operation::CreateIdentitySession), 0);
    nora.give_consent().await;
    nora.verify_identity().await;
    hold.call_of("aal2-challenge", "UpdateItem");
    let (answer, _) = tokio::join!(nora.app.open_challenge(AAL2_RETURN), hold.withdraw_meanwhile(&nora));
    refused(&answer.unwrap(), 403, "consent_required", "give_consent");
    assert_eq!(app.stand_in().stats().calls(Operation::CreateChallenge), 0);
    app.end().await;
}

/// The withdrawal comes while Metriport opens the page. The page's link is then not returned, and not stored.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_opened_during_the_withdrawal_is_not_stored() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    hold.answer_to(Operation::CreateIdentitySession);
    let (answer, _) = tokio::join!(
        nora.app.open_identity_session(IDENTITY_RETURN),
        hold.withdraw_meanwhile(&nora)
    );
    refused_with_notice(&answer.unwrap());
    nora.give_consent().await;
    nora.verify_identity().await;
    hold.answer_to(Operation::CreateChallenge);
    let (answer, _) = tokio::join!(nora.app.open_challenge(AAL2_RETURN), hold.withdraw_meanwhile(&nora));
    refused_with_notice(&answer.unwrap());
    assert_eq!(entries(&app, "session_opened").await, 1);
    assert_eq!(entries(&app, "challenge_opened").await, 0);
    app.end().await;
}

/// The withdrawal comes after the check of the consent, and before the write that needs it. The refusal names the
/// notice like a refusal of the check.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_requested_during_the_withdrawal_is_not_stored() {
    let (hold, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let ask = nora.pass_challenge().await.ask();
    hold.call_of("network-query", "TransactWriteItems");
    let (answer, _) = tokio::join!(nora.app.start_query(&ask), hold.withdraw_meanwhile(&nora));
    refused_with_notice(&answer.unwrap());
    nora.give_consent().await;
    hold.call_of("record-read", "TransactWriteItems");
    let body = json!({ "conversionType": "pdf" });
    let (answer, _) = tokio::join!(nora.app.ask_record(&body), hold.withdraw_meanwhile(&nora));
    refused_with_notice(&answer.unwrap());
    assert!(stored(&app, "RUN#").await.is_empty() && stored(&app, "RECORD#").await.is_empty());
    app.end().await;
}

/// The page of a dropped session proves nothing, even if the person passes it after a new consent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_from_before_the_withdrawal_binds_no_identity() {
    let (_, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    app.stand_in().hold_webhooks();
    nora.pass_identity_page().await;
    app.until_held("ias.identity.verified", 1).await;
    withdraw(&nora).await;
    app.stand_in().release_all().await;
    app.drain().await;
    nora.give_consent().await;
    assert_eq!(nora.identity().await, "not_started");
    assert_eq!(entries(&app, "identity_verified").await, 0);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn second_withdrawal_gets_the_same_reply() {
    let (_, app) = Hold::start().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let earlier = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(earlier.text("/status"), "completed");
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    app.until_held("network-query.", 3).await;
    let first = withdraw(&nora).await;
    assert_eq!(first.text("/status"), "withdrawn");
    assert_eq!(first.body["ended"], json!({ "networkQueries": 1, "records": 0 }));
    assert_eq!(first.body["kept"]["records"], 1);
    let stored = app.snapshot().await;
    assert_eq!(withdraw(&nora).await.body, first.body);
    assert_eq!(app.snapshot().await, stored);
    assert_eq!(entries(&app, "consent_withdrawn").await, 1);
    assert_eq!(entries(&app, "pull_ended").await, 2);
    // A new consent allows new pulls, and does not revive the withdrawn one.
    nora.give_consent().await;
    app.stand_in().release_all().await;
    let again = nora.until_ended(&nora.start_from(&["lab"]).await).await;
    assert_eq!(again.text("/status"), "completed", "{:?}", again.body);
    assert_eq!(nora.read_pull(&id).await.text("/status"), "withdrawn");
    app.end().await;
}

/// The app that keeps the consents can also withdraw one, so that open work ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn withdrawal_ends_work_if_the_app_keeps_consents() {
    let app = TestApp::with(|options| options.notice = None).await;
    let nora = app.newcomer("nora", "Jane");
    nora.verify_identity().await;
    for _ in 0..2 {
        app.stand_in().hold_webhooks();
        let id = nora.start().await;
        app.until_held("network-query.", 3).await;
        let reply = withdraw(&nora).await;
        assert_eq!(reply.body["ended"]["networkQueries"], 1, "{:?}", reply.body);
        app.stand_in().release_all().await;
        app.drain().await;
        let shown = nora.read_pull(&id).await;
        assert_eq!(shown.text("/status"), "withdrawn");
        assert_eq!(shown.text("/next/action"), "open_challenge");
    }
    assert!(stored(&app, "RECORD#").await.is_empty());
    app.end().await;
}
