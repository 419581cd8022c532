//! Many concurrent requests with one key have one effect and one reply, on each of the first three routes that take a
//! key.

use std::sync::Arc;

use sandbox_machine::app::Reply;
use sandbox_metriport::{Failure, Operation};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::{challenge, identity_session, is_replay, unlimited, verified};
use crate::harness::{TestApp, refused, retry_after, until};

const MANY: usize = 200;

/// Sends the same request [`MANY`] times at one moment.
async fn all_at_once<F: Future<Output = Reply> + Send + 'static>(send: impl Fn() -> F) -> Vec<Reply> {
    let gate = Arc::new(Barrier::new(MANY));
    let mut tasks = JoinSet::new();
    for _ in 0..MANY {
        let (gate, request) = (Arc::clone(&gate), send());
        tasks.spawn(async move {
            gate.wait().await;
            request.await
        });
    }
    tasks.join_all().await
}

/// Checks that all replies are equal, except those that say that the first request is still in flight. Returns the only
/// reply that is not marked as repeated.
fn the_one(replies: &[Reply], status: u16) -> &Reply {
    let (answered, waiting): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == status);
    for reply in &waiting {
        refused(reply, 409, "idempotency_key_in_flight", "retry");
        assert_eq!(retry_after(reply), 1);
    }
    let mut firsts = answered.iter().filter(|reply| !is_replay(reply));
    let first = firsts.next().expect("a reply first-hand");
    assert!(firsts.next().is_none(), "two replies first-hand");
    assert!(answered.iter().all(|reply| reply.body == first.body));
    first
}

/// Sends many requests at once. Checks that processes overlapped, that Metriport got one call, and that a later request
/// gets the same reply.
async fn one_effect<F: Future<Output = Reply> + Send + 'static>(
    (app, function): (&TestApp, &str),
    send: impl Fn() -> F,
    (status, upstream): (u16, Operation),
) -> Reply {
    let before = app.upstream(upstream);
    let replies = all_at_once(&send).await;
    let first = the_one(&replies, status);
    assert!(app.overlapped(function), "{function} never ran twice at once");
    until("the effect has reached upstream", async || {
        (app.upstream(upstream) > before).then_some(())
    })
    .await;
    let again = send().await;
    assert!(is_replay(&again));
    assert_eq!((again.status, &again.body), (status, &first.body));
    assert_eq!(app.upstream(upstream), before + 1);
    again
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_open_one_identity_page() {
    let app = unlimited().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    // The call is so slow that other requests arrive during the first.
    app.stand_in()
        .fail_next(Operation::CreateIdentitySession, Failure::HangFor(500));
    let keyed = nora.app.with_key("many");
    let send = || {
        let keyed = keyed.clone();
        async move { identity_session(&keyed).await }
    };
    let opened = one_effect(
        (&app, "identity-session"),
        send,
        (201, Operation::CreateIdentitySession),
    )
    .await;
    nora.browser
        .pass(&opened.text("/sessionUrl"))
        .await
        .expect("the identity page");
    nora.until_identity("verified").await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_open_one_challenge() {
    let app = unlimited().await;
    let nora = verified(&app, "nora").await;
    app.stand_in()
        .fail_next(Operation::CreateChallenge, Failure::HangFor(500));
    let keyed = nora.app.with_key("many");
    let send = || {
        let keyed = keyed.clone();
        async move { challenge(&keyed).await }
    };
    let opened = one_effect((&app, "aal2-challenge"), send, (201, Operation::CreateChallenge)).await;
    let back = nora
        .browser
        .pass(&opened.text("/challengeUrl"))
        .await
        .expect("the challenge page");
    assert_eq!(back.status.as_deref(), Some("verified"));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_start_one_pull() {
    let app = unlimited().await;
    let nora = verified(&app, "nora").await;
    let passed = nora.pass_challenge().await;
    let (keyed, ask) = (nora.app.with_key("many"), passed.ask_of(&["lab"]));
    let send = || {
        let (keyed, ask) = (keyed.clone(), ask.clone());
        async move { keyed.start_query(&ask).await.expect("an answer") }
    };
    let accepted = one_effect((&app, "network-query"), send, (202, Operation::StartNetworkQuery)).await;
    assert_eq!(
        nora.until_ended(&accepted.text("/id")).await.text("/status"),
        "completed"
    );
    let pulls = nora.app.get("/v1/network-queries").await.unwrap();
    assert_eq!(pulls.list("/networkQueries").len(), 1);
    assert_eq!(app.upstream(Operation::StartNetworkQuery), 1);
    app.end().await;
}
