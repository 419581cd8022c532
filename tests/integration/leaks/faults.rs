//! Metriport fails in each possible way, and so do transfers, messages, functions, and finally AWS. Replies, log,
//! messages and timeline must never contain personal data or a secret.

mod by_hand;

use reqwest::Method;
use sandbox_machine::app::{Reply, consent};
use sandbox_machine::sandbox::{AAL2_RETURN, IDENTITY_RETURN, NOTICE};
use sandbox_metriport::{Failure, Operation};
use serde_json::{Value, json};

use by_hand::{BY_HAND, send_by_hand};

use super::canaries::{Canaries, SUBJECT, UPSTREAM_WORDS, content, demographics, secrets_of};
use super::start_with_canaries;
use crate::harness::{Person, TestApp, until};

/// The replies to callers, and the values that must not be in them.
struct Watched {
    replies: Vec<String>,
    canaries: Canaries,
}

impl Watched {
    fn refused(&mut self, what: &str, reply: &Reply) {
        assert!(reply.status >= 400, "{what}: {:?}", reply.body);
        self.replies.push(reply.body.to_string());
    }
}

/// Metriport's failures. Their bodies contain the person's data and the canary words.
fn failures() -> Vec<Failure> {
    // The functions take the refusal of a challenge for a refusal of the identity, unless it names the redirect URL. So
    // these words name it.
    let words = format!("{UPSTREAM_WORDS}, redirectUrl: {} {}", demographics(), content());
    let status = |code: u16, content_type: &str, body: String| Failure::Status {
        code,
        body,
        content_type: content_type.to_owned(),
    };
    vec![
        Failure::envelope(400, UPSTREAM_WORDS, &words),
        Failure::envelope(401, UPSTREAM_WORDS, &words),
        Failure::envelope(409, UPSTREAM_WORDS, &words),
        Failure::envelope(500, UPSTREAM_WORDS, &words),
        status(403, "text/plain", words.clone()),
        status(302, "text/html", words.clone()),
        status(423, "application/json", json!(words).to_string()),
        status(429, "text/html", format!("<html>{words}</html>")),
        status(502, "application/json", json!({ "message": words }).to_string()),
        status(200, "application/json", demographics().to_string()),
        status(200, "application/json", words),
        Failure::ResetBeforeEffect,
        // The only one of these failures that has an effect at Metriport.
        Failure::Garbage,
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replies_and_logs_leak_nothing_when_everything_fails() {
    let (app, canarina, signature) = start_with_canaries(60).await;
    let mut watched = Watched {
        replies: Vec::new(),
        canaries: Canaries::of_the_person(),
    };
    watched.canaries.add("token", signature);
    watched.canaries.add("API key", app.stand_in().api_key());
    watched.canaries.add("webhook key", app.stand_in().webhook_key());
    app.slow_queues(1).await;
    let watch = app.watch_queues();

    link(&app, &canarina, &mut watched).await;
    open_pages(&app, &canarina, &mut watched).await;
    let pull = pull(&app, &canarina, &mut watched).await;
    send_by_hand(&app).await;
    app.drain().await;
    let timeline = canarina.timeline(&pull).await;
    watched.replies.extend([
        timeline.body.to_string(),
        canarina.read_pull(&pull).await.body.to_string(),
    ]);

    // The messages of `send_by_hand` are removed below, because they contain canaries that the test has put there.
    let mut messages = watch.bodies();
    let links: Vec<_> = messages
        .iter()
        .filter_map(|body| body.split("X-Amz-Signature=").nth(1)?.get(..64))
        .collect();
    assert!(!links.is_empty(), "no record was offered");
    let links = Canaries(links.into_iter().map(|link| ("record link", link.to_owned())).collect());
    messages.retain(|body| !body.contains(BY_HAND));
    watched.canaries.assert_absent("messages", &messages);
    watched
        .canaries
        .assert_absent("the table", &table_but_for_the_external_id(&app).await);

    take_aws_away(&app, &canarina, &mut watched).await;
    watched.canaries.add("subject", SUBJECT);
    watched.canaries.add("sent by hand", BY_HAND);
    let log = app.log();
    for (place, texts) in [("the log", &log), ("the replies", &watched.replies)] {
        watched.canaries.assert_absent(place, texts);
        links.assert_absent(place, texts);
    }
    app.stop().await;
}

/// The table without the person's subject. The subject is the external id, which the table stores for Metriport.
async fn table_but_for_the_external_id(app: &TestApp) -> Vec<String> {
    app.items().await.iter().map(|item| item.replace(SUBJECT, "")).collect()
}

/// Links the person, after every failure of a search, a creation and an update.
async fn link(app: &TestApp, person: &Person, watched: &mut Watched) {
    let put = async || {
        until("a change may begin", async || {
            let reply = person.app.put_patient(&demographics()).await.unwrap();
            (reply.code() != "patient_changing").then_some(reply)
        })
        .await
    };
    for operation in [
        Operation::FindPatient,
        Operation::CreatePatient,
        Operation::UpdatePatient,
    ] {
        for failure in failures() {
            let what = format!("{operation:?} {failure:?}");
            app.stand_in().fail_next(operation, failure);
            watched.refused(&what, &put().await);
        }
    }
    let mut malformed = demographics();
    malformed["address"][0]["state"] = json!("CanaryContentState");
    watched.refused("malformed", &person.app.put_patient(&malformed).await.unwrap());
    assert_eq!(put().await.status, 200);
}

/// Opens an identity session and a challenge, each with every failure.
async fn open_pages(app: &TestApp, person: &Person, watched: &mut Watched) {
    for failure in failures() {
        app.stand_in().fail_next(Operation::CreateIdentitySession, failure);
        let reply = person.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
        watched.refused("an identity session is opened", &reply);
    }
    let opened = person.app.open_identity_session(IDENTITY_RETURN).await.unwrap();
    watched
        .canaries
        .add("identity page", secrets_of(&opened.text("/sessionUrl")));
    person.browser.pass(&opened.text("/sessionUrl")).await.unwrap();
    person.until_identity("verified").await;
    for failure in failures() {
        app.stand_in().fail_next(Operation::CreateChallenge, failure);
        let reply = person.app.open_challenge(AAL2_RETURN).await.unwrap();
        watched.refused("a challenge is opened", &reply);
    }
}

/// Completes a pull despite failures at every step and killed functions. Returns the pull's id.
async fn pull(app: &TestApp, person: &Person, watched: &mut Watched) -> String {
    let refused = person.pass_challenge().await;
    watched.canaries.add("AAL2 session", refused.session.clone());
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, failures().swap_remove(0));
    let start = person.app.start_query(&refused.ask_of(&["hie"])).await.unwrap();
    assert_eq!(person.until_ended(&start.text("/id")).await.text("/status"), "failed");
    watched.refused(
        "a session is used twice",
        &person.app.start_query(&refused.ask()).await.unwrap(),
    );

    let passed = person.pass_challenge().await;
    watched.canaries.add("AAL2 session", passed.session.clone());
    for failure in failures() {
        app.stand_in().fail_next(Operation::ReadNetworkQuery, failure);
    }
    let unreadable = Failure::Status {
        code: 200,
        body: format!("<html>{}</html>", content()),
        content_type: "text/html".to_owned(),
    };
    let start = person.app.start_query(&passed.ask_of(&["hie"])).await.unwrap();
    let pull = start.text("/id");
    assert!(app.sandbox().host().kill("query-dispatch").await);
    assert!(app.sandbox().host().kill("record-fetch").await);
    let ended = person.until_ended(&pull).await;
    assert_eq!(ended.text("/status"), "completed", "{:?}", ended.body);
    let record = person.final_record(&ended).await;
    assert_eq!(record.text("/status"), "available", "{:?}", record.body);
    watched
        .canaries
        .add("minted link", secrets_of(&record.text("/link/url")));

    // Metriport's link to a record lives three minutes (three seconds at this time scale). So the queues must not delay
    // the message with the link.
    app.slow_queues(0).await;
    let gone = Failure::envelope(403, UPSTREAM_WORDS, &content().to_string());
    for failure in [gone, Failure::TruncateAfter(60), Failure::ResetBeforeEffect, unreadable] {
        app.stand_in().fail_next(Operation::DownloadFile, failure);
    }
    app.stand_in()
        .fail_next(Operation::StartConsolidatedQuery, failures().swap_remove(3));
    let id = person.ask_record(&json!({ "conversionType": "json" })).await;
    let failed = person.until_record(&id).await;
    watched.replies.push(failed.body.to_string());
    pull
}

/// Deletes the table and the queue of webhook events. Then every route and every consumer fails.
async fn take_aws_away(app: &TestApp, person: &Person, watched: &mut Watched) {
    let aws = app.aws();
    let table = aws.dynamodb().delete_table().table_name("ias-Table");
    table.send().await.expect("no table");
    let identity = json!({
        "meta": { "messageId": "by-hand-lost", "type": "ias.identity.verified" },
        "payload": { "proofedIdentityId": "pid_1", "sessionId": "ids_1", "name": demographics() },
    });
    let url = app.sandbox().aws().queue_url("ias-WebhookEventsQueue");
    assert_eq!(app.send_signed(&identity).await, 200);
    let queue = aws.sqs().delete_queue().queue_url(url.expect("a queue"));
    queue.send().await.expect("no queue");
    assert!(
        app.send_signed(&identity).await >= 500,
        "a webhook that is not durable is not acknowledged"
    );
    for (method, path, body) in requests_to_every_route() {
        let reply = person.app.send(method, path, body.as_ref()).await.unwrap();
        assert!(reply.status >= 500, "{path}: {:?}", reply.body);
        watched.replies.push(Value::to_string(&reply.body));
    }
}

fn requests_to_every_route() -> [(Method, &'static str, Option<Value>); 16] {
    let returns_to = |page: &str| Some(json!({ "redirectUrl": page }));
    let as_json = json!({ "conversionType": "json" });
    let [version, sha256, _] = NOTICE;
    [
        (Method::GET, "/v1/me/consent", None),
        (Method::PUT, "/v1/me/consent", Some(consent(version, sha256, &["pull"]))),
        (Method::DELETE, "/v1/me/consent", None),
        (Method::GET, "/v1/me/access-log", None),
        (Method::POST, "/v1/me/exports", None),
        (Method::GET, "/v1/me/exports/0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d", None),
        (Method::PUT, "/v1/patient", Some(demographics())),
        (Method::POST, "/v1/identity-sessions", returns_to(IDENTITY_RETURN)),
        (Method::GET, "/v1/identity", None),
        (Method::POST, "/v1/aal2-challenges", returns_to(AAL2_RETURN)),
        (Method::GET, "/v1/network-queries", None),
        (Method::GET, "/v1/records", None),
        (Method::POST, "/v1/records", Some(as_json)),
        (
            Method::POST,
            "/v1/records/0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d/not-me",
            Some(json!({ "reason": "other_person" })),
        ),
        (Method::DELETE, "/v1/me", None),
        (Method::GET, "/v1/erasures/5f0c9b6e2d7a4c318e45b1d06a9f7c23", None),
    ]
}
