//! Everything fails once: upstream in each way it can, transfers, messages, functions, and at last AWS. Whatever was
//! said about it, to the caller, in the log, in messages and in the timeline, names nobody and opens nothing.

use ias::app::Reply;
use ias::sandbox::{AAL2_RETURN, IDENTITY_RETURN};
use reqwest::Method;
use sandbox_aws::QueueSpec;
use sandbox_fhir::split;
use sandbox_metriport::{Failure, Operation};
use serde_json::{Value, json};

use super::canaries::{Canaries, SUBJECT, UPSTREAM_WORDS, content, demographics, secrets_of};
use crate::harness::{Person, QUEUES, TestApp, until};

/// A word that only stands in messages and webhooks sent by hand.
const BY_HAND: &str = "CanarySentByHand";

/// What the callers were told, and what must not be in it.
struct Watched {
    told: Vec<String>,
    canaries: Canaries,
}

impl Watched {
    /// A refusal, whole.
    fn refused(&mut self, what: &str, reply: &Reply) {
        assert!(reply.status >= 400, "{what}: {:?}", reply.body);
        self.told.push(reply.body.to_string());
    }
}

/// Upstream's ways to fail, each with the person and its own words in it.
fn failures() -> Vec<Failure> {
    // A refusal of a challenge that does not blame the redirect URL is taken for one of the identity.
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
        // The only one that has its effect all the same.
        Failure::Garbage,
    ]
}

async fn hurried() -> TestApp {
    let record = split(content().to_string().as_bytes()).expect("a record");
    TestApp::with(|options| {
        options.stand_in.record = Some(record);
        options.stand_in.rate_limits = false;
        options.time_scale = 60;
        options.extra_env.push(("LOG_LEVEL".to_owned(), "trace".to_owned()));
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_about_anybody_when_all_fails() {
    let app = hurried().await;
    let token = app.sandbox().token(SUBJECT, &serde_json::Map::new()).unwrap();
    let mut canarina = app.person(SUBJECT, "Jane");
    canarina.app = ias::app::App::new(app.sandbox().host().base_url(), &token).unwrap();
    let mut watched = Watched {
        told: Vec::new(),
        canaries: Canaries::of_the_person(),
    };
    watched.canaries.add("token", token.rsplit('.').next().unwrap());
    watched.canaries.add("API key", app.stand_in().api_key());
    watched.canaries.add("webhook key", app.stand_in().webhook_key());
    app.slow_queues(1).await;
    let watch = app.watch_queues();

    link(&app, &canarina, &mut watched).await;
    open_pages(&app, &canarina, &mut watched).await;
    let run = pull(&app, &canarina, &mut watched).await;
    send_by_hand(&app).await;
    app.drain().await;
    let timeline = canarina.timeline(&run).await;
    watched
        .told
        .extend([timeline.body.to_string(), canarina.run(&run).await.body.to_string()]);

    // Messages so far: what was sent by hand is in them, and is what the sender put there.
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
    for (place, texts) in [("the log", &log), ("what callers were told", &watched.told)] {
        watched.canaries.assert_absent(place, texts);
        links.assert_absent(place, texts);
    }
    app.stop().await;
}

/// The person's id in the token is what Metriport is told, and is kept for it.
async fn table_but_for_the_external_id(app: &TestApp) -> Vec<String> {
    app.items().await.iter().map(|item| item.replace(SUBJECT, "")).collect()
}

/// Step 1, with every failure of a lookup, a create and an update.
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

/// Both hosted pages, with every failure of their opening.
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

/// A pull that meets failures at every step, among them its function's end in the middle of it, and is had in the end.
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
    let run = start.text("/id");
    assert!(app.sandbox().host().kill("query-dispatch").await);
    assert!(app.sandbox().host().kill("record-fetch").await);
    let ended = person.until_ended(&run).await;
    assert_eq!(ended.text("/status"), "completed", "{:?}", ended.body);
    let record = person.final_record(&ended).await;
    assert_eq!(record.text("/status"), "available", "{:?}", record.body);
    watched
        .canaries
        .add("minted link", secrets_of(&record.text("/link/url")));

    // Links live for three minutes, which are seconds here: nothing may hold their messages back.
    app.slow_queues(0).await;
    let gone = Failure::envelope(403, UPSTREAM_WORDS, &content().to_string());
    for failure in [gone, Failure::TruncateAfter(60), Failure::ResetBeforeEffect, unreadable] {
        app.stand_in().fail_next(Operation::DownloadFile, failure);
    }
    app.stand_in()
        .fail_next(Operation::StartConsolidatedQuery, failures().swap_remove(3));
    let asked = person.ask_record(&json!({ "conversionType": "json" })).await;
    let failed = person.until_record(&asked).await;
    watched.told.push(failed.body.to_string());
    run
}

/// What nobody should send: webhooks that say odd things, and messages that are none.
async fn send_by_hand(app: &TestApp) {
    let about = format!("{BY_HAND} {}", demographics());
    for queue in QUEUES {
        // Received once, and dead.
        let spec = QueueSpec {
            name: queue.to_owned(),
            visibility_timeout_secs: 1,
            delay_secs: 0,
            retention_secs: 345_600,
            redrive: Some((queue.replace("Queue", "DeadLetters"), 1)),
        };
        app.sandbox()
            .aws()
            .create_queue(spec)
            .await
            .expect("the queue's settings");
    }
    let kinds = [
        "patient.admit",
        "network-query.hie",
        "medical.consolidated-data",
        "ias.identity.verified",
    ];
    for (index, kind) in kinds.iter().enumerate() {
        let payloads = [
            json!(about),
            json!({ "patientId": about, "source": about, "proofedIdentityId": [about] }),
        ];
        for (form, payload) in payloads.into_iter().enumerate() {
            // Each under an id of its own: a second message under an id that says something else is a dead letter.
            let meta = json!({ "messageId": format!("by-hand-{index}-{form}"), "type": kind });
            let body = json!({ "meta": meta, "payload": payload, "patients": [{ "patientId": about }] });
            assert_eq!(app.send_signed(&body).await, 200);
        }
    }
    for signature in [None, Some("CanaryContent"), Some("00")] {
        assert_eq!(app.stand_in().send_raw(about.clone(), signature).await, Ok(401));
    }
    for queue in QUEUES {
        for body in [
            about.clone(),
            json!({ "version": 1, "owner": about, "run": BY_HAND }).to_string(),
        ] {
            app.send_message(queue, &body).await;
        }
    }
    let queues = app.sandbox().aws().queues();
    let dead = until("what cannot be read is dead", async || {
        let dead: Vec<_> = QUEUES
            .iter()
            .map(|queue| queues.messages(&queue.replace("Queue", "DeadLetters")))
            .collect();
        let dead: Vec<_> = dead
            .into_iter()
            .flatten()
            .flatten()
            .map(|message| message.body)
            .collect();
        (dead.iter().filter(|body| body.contains(BY_HAND)).count() >= 8).then_some(dead)
    })
    .await;
    // A dead letter is the message and nothing else: whoever is in it was in the message.
    let own = dead.iter().find(|body| !body.contains(BY_HAND));
    assert_eq!(own, None, "a message of the functions' own died");
    assert!(
        dead.iter()
            .any(|body| body.contains("identityUnclear") && body.contains(BY_HAND)),
        "an identity event that cannot be read is kept whole, and nothing else is"
    );
    let kept = dead
        .iter()
        .filter(|body| body.contains("\"kind\":"))
        .all(|body| body.contains("identityUnclear"));
    assert!(kept, "another webhook than an identity event was kept");
}

/// The table and a queue are gone: every route fails, and so does every consumer.
async fn take_aws_away(app: &TestApp, person: &Person, watched: &mut Watched) {
    let aws = app.aws();
    aws.dynamodb()
        .delete_table()
        .table_name("ias-Table")
        .send()
        .await
        .expect("no table");
    let queue = app
        .sandbox()
        .aws()
        .queue_url("ias-WebhookEventsQueue")
        .expect("a queue");
    let identity = json!({
        "meta": { "messageId": "by-hand-lost", "type": "ias.identity.verified" },
        "payload": { "proofedIdentityId": "pid_1", "sessionId": "ids_1", "name": demographics() },
    });
    assert_eq!(app.send_signed(&identity).await, 200);
    aws.sqs()
        .delete_queue()
        .queue_url(queue)
        .send()
        .await
        .expect("no queue");
    assert!(
        app.send_signed(&identity).await >= 500,
        "a webhook that is not durable is not acknowledged"
    );
    let everything = [
        (Method::PUT, "/v1/patient", Some(demographics())),
        (
            Method::POST,
            "/v1/identity-sessions",
            Some(json!({ "redirectUrl": IDENTITY_RETURN })),
        ),
        (Method::GET, "/v1/identity", None),
        (
            Method::POST,
            "/v1/aal2-challenges",
            Some(json!({ "redirectUrl": AAL2_RETURN })),
        ),
        (Method::GET, "/v1/network-queries", None),
        (Method::GET, "/v1/records", None),
        (Method::POST, "/v1/records", Some(json!({ "conversionType": "json" }))),
    ];
    for (method, path, body) in everything {
        let reply = person.app.send(method, path, body.as_ref()).await.unwrap();
        assert!(reply.status >= 500, "{path}: {:?}", reply.body);
        watched.told.push(Value::to_string(&reply.body));
    }
}
