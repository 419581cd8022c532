//! Processes die after the effect of a request and before its reply is stored. The dead process's lease expires, and
//! the same request with the same key takes over.

use std::sync::{Arc, Mutex, mpsc};

use sandbox_aws::{Call, Service};
use sandbox_machine::app::Reply;
use sandbox_metriport::{Failure, Operation};
use tokio::sync::oneshot;

use super::{challenge, identity_session, is_replay, record, verified};
use crate::harness::{BOUND, TestApp, until};

/// Shortens a lease from 35 s to 1.75 s.
const SCALE: u32 = 20;

/// Stops a function when it sends its next message to a queue: the call waits until the test lets it go on.
#[derive(Clone, Default)]
struct Trap(Arc<Mutex<Option<Armed>>>);

struct Armed {
    function: &'static str,
    sprung: oneshot::Sender<mpsc::Sender<()>>,
}

impl Trap {
    /// Starts a sandbox whose AWS calls the trap watches.
    async fn set() -> (Self, TestApp) {
        let trap = Self::default();
        let inner = trap.clone();
        let app = TestApp::with(|options| {
            options.time_scale = SCALE;
            options.stand_in.rate_limits = false;
            options.observer = Some(Arc::new(move |call| inner.watch(call)));
        })
        .await;
        (trap, app)
    }

    fn watch(&self, call: &Call) {
        let caller = call.access_key_id.as_deref().unwrap_or_default();
        let ours = |armed: &mut Armed| {
            let name = armed.function.replace('-', "").to_uppercase();
            (call.service, call.operation.as_str()) == (Service::Sqs, "SendMessage") && caller.ends_with(&name)
        };
        let armed = self.0.lock().unwrap().take_if(ours);
        if let Some(armed) = armed {
            let (go, gone) = mpsc::channel();
            armed.sprung.send(go).expect("a test that waits");
            tokio::task::block_in_place(|| gone.recv_timeout(BOUND)).expect("to be let go");
        }
    }

    /// Kills a function when it sends the message that announces its write: after the effect, and before the reply is
    /// stored.
    async fn kill_at_announcement(&self, app: &TestApp, function: &'static str) {
        let (sprung, springs) = oneshot::channel();
        *self.0.lock().unwrap() = Some(Armed { function, sprung });
        let go = tokio::time::timeout(BOUND, springs)
            .await
            .expect("a message")
            .expect("a caller");
        assert!(app.sandbox().host().kill(function).await);
        go.send(()).expect("a caller that waits");
    }
}

/// Repeats the request, as a client does, until the lease of the dead process has expired.
async fn until_taken_over(send: impl AsyncFn() -> Reply) -> Reply {
    until("the lease has run out", async || {
        let reply = send().await;
        (reply.code() != "idempotency_key_in_flight").then_some(reply)
    })
    .await
}

/// Checks that a reply is the gateway's own answer for a function that failed.
#[track_caller]
fn assert_cut_off(reply: &Reply) {
    assert!(
        reply.status >= 500 && reply.code().is_empty(),
        "{} {:?}",
        reply.status,
        reply.body
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_with_a_lost_reply_is_found_and_not_repeated() {
    let (trap, app) = Trap::set().await;
    let nora = verified(&app, "nora").await;
    let (passed, keyed) = (nora.pass_challenge().await, nora.app.with_key("pull"));
    let ask = passed.ask_of(&["lab"]);
    let (first, ()) = tokio::join!(
        async { keyed.start_query(&ask).await.unwrap() },
        trap.kill_at_announcement(&app, "network-query"),
    );
    assert_cut_off(&first);
    let waiting = keyed.start_query(&ask).await.unwrap();
    assert_eq!(waiting.code(), "idempotency_key_in_flight", "{:?}", waiting.body);
    let listed = nora.app.get("/v1/network-queries").await.unwrap();
    assert_eq!(listed.list("/networkQueries").len(), 1, "the pull was written");
    let found = until_taken_over(async || keyed.start_query(&ask).await.unwrap()).await;
    assert_eq!(found.status, 202, "{:?}", found.body);
    assert!(!is_replay(&found));
    assert_eq!(found.body["id"], listed.list("/networkQueries")[0]["id"]);
    let again = keyed.start_query(&ask).await.unwrap();
    assert!(is_replay(&again) && again.body == found.body);
    assert_eq!(nora.until_ended(&found.text("/id")).await.text("/status"), "completed");
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 1);
    assert_eq!(
        nora.app
            .get("/v1/network-queries")
            .await
            .unwrap()
            .list("/networkQueries")
            .len(),
        1
    );
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_with_a_lost_reply_is_found_and_not_repeated() {
    let (trap, app) = Trap::set().await;
    let nora = verified(&app, "nora").await;
    let keyed = nora.app.with_key("record");
    let (first, ()) = tokio::join!(record(&keyed, "json"), trap.kill_at_announcement(&app, "record-read"));
    assert_cut_off(&first);
    let listed = nora.records().await;
    assert_eq!(listed.list("/records").len(), 1, "the record was written");
    let found = until_taken_over(async || record(&keyed, "json").await).await;
    assert_eq!(
        (found.status, &found.body["id"]),
        (202, &listed.list("/records")[0]["id"]),
        "{:?}",
        found.body
    );
    assert_eq!(nora.until_record(&found.text("/id")).await.text("/next/action"), "none");
    assert_eq!(nora.records().await.list("/records").len(), 1);
    assert_eq!(app.upstream(Operation::StartConsolidatedQuery), 1);
    app.end().await;
}

/// The link of the opened page is lost with the process. The request that takes over opens another page, which works.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosted_page_with_a_lost_link_is_superseded() {
    let (_, app) = Trap::set().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let killed_in = async |function: &str, operation: Operation| {
        let before = app.upstream(operation);
        until("the call is upstream", async || {
            (app.upstream(operation) > before).then_some(())
        })
        .await;
        assert!(app.sandbox().host().kill(function).await);
    };
    app.stand_in()
        .fail_next(Operation::CreateIdentitySession, Failure::HangFor(5_000));
    let keyed = nora.app.with_key("page");
    let (first, ()) = tokio::join!(
        identity_session(&keyed),
        killed_in("identity-session", Operation::CreateIdentitySession),
    );
    assert_cut_off(&first);
    let opened = until_taken_over(async || identity_session(&keyed).await).await;
    assert_eq!(opened.status, 201, "{:?}", opened.body);
    assert_eq!(app.upstream(Operation::CreateIdentitySession), 2);
    nora.browser
        .pass(&opened.text("/sessionUrl"))
        .await
        .expect("the identity page");
    nora.until_identity("verified").await;

    app.stand_in()
        .fail_next(Operation::CreateChallenge, Failure::HangFor(5_000));
    let keyed = nora.app.with_key("challenge");
    let (first, ()) = tokio::join!(
        challenge(&keyed),
        killed_in("aal2-challenge", Operation::CreateChallenge)
    );
    assert_cut_off(&first);
    let opened = until_taken_over(async || challenge(&keyed).await).await;
    assert_eq!(opened.status, 201, "{:?}", opened.body);
    assert_eq!(app.upstream(Operation::CreateChallenge), 2);
    let back = nora
        .browser
        .pass(&opened.text("/challengeUrl"))
        .await
        .expect("the challenge page");
    assert_eq!(back.status.as_deref(), Some("verified"));
    app.end().await;
}
