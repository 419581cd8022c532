//! Nothing about a person, no secret and no link is in what the functions write down or send to each other: not when
//! all goes well, not when upstream, AWS or a function fails, and not when a function panics.

mod canaries;
mod detector;
mod faults;
mod panics;

use std::collections::BTreeSet;

use reqwest::Method;
use sandbox_fhir::split;
use sandbox_metriport::{Failure, Operation};
use serde_json::json;

use canaries::{Canaries, SUBJECT, UPSTREAM_WORDS, content, demographics, of_demographics, secrets_of};

use crate::harness::{TestApp, until};

fn upstream_error(code: u16) -> Failure {
    Failure::envelope(code, UPSTREAM_WORDS, &format!("{UPSTREAM_WORDS}: {}", demographics()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_log_and_no_message_holds_anything_about_a_person() {
    let record = split(content().to_string().as_bytes()).expect("a record");
    let app = TestApp::with(|options| {
        options.stand_in.record = Some(record);
        options.stand_in.rate_limits = false;
        options.time_scale = 30;
        // The finest level our own code can be turned up to.
        options.extra_env.push(("LOG_LEVEL".to_owned(), "trace".to_owned()));
    })
    .await;
    app.slow_queues(1).await;
    let watch = app.watch_queues();
    let token = app.sandbox().token(SUBJECT, &serde_json::Map::new()).unwrap();
    let mut canarina = app.person(SUBJECT, "Jane");
    canarina.app = ias::app::App::new(app.sandbox().host().base_url(), &token).unwrap();
    let client = &canarina.app;
    let mut persons = Canaries(Vec::new());
    let mut secrets = Canaries(Vec::new());
    of_demographics()
        .into_iter()
        .for_each(|(name, value)| persons.add(name, value));
    for (name, value) in [
        ("content", "CanaryContent"),
        ("content", "canary-resource-id"),
        ("upstream's words", UPSTREAM_WORDS),
    ] {
        persons.add(name, value);
    }
    persons.add("subject", SUBJECT);
    secrets.add("token", token.rsplit('.').next().unwrap());

    // Step 1, with refusals and upstream errors on the way.
    let mut malformed = demographics();
    malformed["dob"] = json!("CanaryContentDob");
    malformed["address"][0]["state"] = json!("Yellowbird");
    assert_eq!(client.put_patient(&malformed).await.unwrap().status, 400);
    for (name, value) in [("genderAtBirth", json!(["Quibblesworth"])), ("Quibblesworth", json!(1))] {
        let mut wrong = demographics();
        wrong[name] = value;
        assert_eq!(client.put_patient(&wrong).await.unwrap().status, 400);
    }
    for (failure, status) in [
        (upstream_error(400), 502),
        (upstream_error(500), 504),
        (Failure::ResetBeforeEffect, 504),
        (Failure::Garbage, 504),
    ] {
        app.stand_in().fail_next(Operation::CreatePatient, failure);
        // One that ended without an answer is open for a moment.
        let refused = until("a change may begin", async || {
            let refused = client.put_patient(&demographics()).await.unwrap();
            (refused.code() != "patient_changing").then_some(refused)
        })
        .await;
        assert_eq!(refused.status, status, "{:?}", refused.body);
    }
    until("the patient is linked", async || {
        (client.put_patient(&demographics()).await.unwrap().status == 200).then_some(())
    })
    .await;
    assert_eq!(
        client
            .open_identity_session("https://evil.example.test/CanaryContent")
            .await
            .unwrap()
            .status,
        400
    );
    app.stand_in()
        .fail_next(Operation::CreateIdentitySession, upstream_error(400));
    assert_eq!(
        client
            .open_identity_session(ias::sandbox::IDENTITY_RETURN)
            .await
            .unwrap()
            .status,
        502
    );
    let opened = client
        .open_identity_session(ias::sandbox::IDENTITY_RETURN)
        .await
        .unwrap();
    secrets.add("identity page", secrets_of(&opened.text("/sessionUrl")));
    canarina.browser.pass(&opened.text("/sessionUrl")).await.unwrap();
    canarina.until_identity("verified").await;

    // Step 2.
    app.stand_in()
        .fail_next(Operation::CreateChallenge, upstream_error(500));
    assert_eq!(
        client.open_challenge(ias::sandbox::AAL2_RETURN).await.unwrap().status,
        504
    );
    let opened = client.open_challenge(ias::sandbox::AAL2_RETURN).await.unwrap();
    secrets.add("challenge page", secrets_of(&opened.text("/challengeUrl")));
    let back = canarina.browser.pass(&opened.text("/challengeUrl")).await.unwrap();
    let session = back.session.unwrap();
    secrets.add("AAL2 session", session.clone());

    // Step 3, refused first, by us and by upstream.
    let mut ask = ias::app::QueryAsk::everything(&opened.text("/challengeId"), &session);
    ask.body["aal2Status"] = json!("Quibblesworth");
    assert_eq!(client.start_query(&ask).await.unwrap().status, 403);
    ask.body["aal2Status"] = json!("verified");
    app.slow_queues(0).await;
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, upstream_error(400));
    let refused = client.start_query(&ask).await.unwrap();
    assert_eq!(refused.status, 202);
    assert_eq!(
        canarina.until_ended(&refused.text("/id")).await.text("/status"),
        "failed"
    );
    let passed = canarina.pass_challenge().await;
    secrets.add("AAL2 session", passed.session.clone());
    app.stand_in()
        .fail_next(Operation::ReadNetworkQuery, upstream_error(500));
    app.slow_queues(1).await;
    let accepted = client.start_query(&passed.ask_of(&["hie"])).await.unwrap();

    // Webhooks that are refused, unknown, or about somebody we do not know.
    let unknown = json!({ "meta": { "messageId": "u-1", "type": "patient.admit" }, "payload": demographics() });
    assert_eq!(app.send_signed(&unknown).await, 200);
    let mut stranger =
        json!({ "meta": { "messageId": "u-2", "type": "network-query.hie" }, "payload": demographics() });
    stranger["payload"]["patientId"] = json!("nobody-we-know");
    stranger["payload"]["source"] = json!({ "type": "hie", "status": "completed" });
    assert_eq!(app.send_signed(&stranger).await, 200);
    assert_eq!(
        app.stand_in()
            .send_raw(demographics().to_string(), Some("CanaryContent"))
            .await,
        Ok(401)
    );

    // Step 4.
    let run = canarina.until_ended(&accepted.text("/id")).await;
    assert_eq!(run.text("/status"), "completed", "{:?}", run.body);
    let record = canarina.final_record(&run).await;
    secrets.add("minted link", secrets_of(&record.text("/link/url")));
    assert!(
        String::from_utf8(canarina.download(&record).await)
            .unwrap()
            .contains("CanaryContentNote")
    );
    app.slow_queues(0).await;
    app.stand_in()
        .fail_next(Operation::DownloadFile, Failure::TruncateAfter(60));
    let asked = canarina.ask_record(&json!({ "conversionType": "json" })).await;
    assert_eq!(canarina.until_record(&asked).await.text("/status"), "available");
    assert_eq!(
        client
            .ask_record(&json!({ "conversionType": "CanaryContent" }))
            .await
            .unwrap()
            .status,
        400
    );
    let no_id = client
        .send(Method::GET, "/v1/records/CanaryContentName", None)
        .await
        .unwrap();
    assert_eq!(no_id.status, 404);

    app.drain().await;
    let log = until("every function has logged", async || {
        let log = app.log();
        let functions = [
            "webhook-intake",
            "webhook-process",
            "network-query",
            "query-dispatch",
            "record-fetch",
        ];
        functions
            .iter()
            .all(|name| log.iter().any(|line| line.starts_with(name)))
            .then_some(log)
    })
    .await;
    for line in log.iter().filter(|line| line.contains("\"level\"")) {
        assert_eq!(
            line.matches("\"message\":").count(),
            1,
            "one field hides another: {line}"
        );
    }
    let bodies = watch.bodies();
    assert!(bodies.len() >= 7, "{} messages seen", bodies.len());
    // The link of a consolidated query we asked for travels in the queue, and nowhere else.
    let link = bodies
        .iter()
        .find_map(|body| body.split("X-Amz-Signature=").nth(1)?.get(..64))
        .expect("a link in a message");
    secrets.add("bare", "X-Amz-Signature");
    let links = Canaries(vec![("record link", link.to_owned())]);
    links.assert_absent("the log", &log);
    secrets.assert_absent("the log", &log);
    persons.assert_absent("the log", &log);
    assert_metrics_are_codes(&app, &log);
    secrets.0.retain(|(name, _)| *name != "bare");
    secrets.assert_absent("messages", &bodies);
    // Metriport names the person by the external id, which is a token claim: messages do not.
    persons.assert_absent("messages", &bodies);
    // Nor does the table keep what Metriport keeps: a hash stands for the demographics.
    persons.0.retain(|(name, _)| *name != "subject");
    let items = app.items().await;
    persons.assert_absent("the table", &items);
    secrets.assert_absent("the table", &items);
    app.end().await;
}

/// The log that was looked through has the metrics in it, of all that went on; and what they say besides numbers are
/// codes, so that nothing about anybody can be in them that is not looked for by its name.
fn assert_metrics_are_codes(app: &TestApp, log: &[String]) {
    let data = app.data();
    let told: BTreeSet<&str> = data.iter().map(|datum| datum.name.as_str()).collect();
    for name in [
        "PullsEnded",
        "RecordsEnded",
        "RecordBytes",
        "UpstreamErrors",
        "UpstreamLatency",
        "WebhooksAccepted",
        "WebhooksRefused",
    ] {
        assert!(told.contains(name), "{name} was not measured: {told:?}");
        let quoted = format!("\"{name}\":");
        assert!(
            log.iter().any(|line| line.contains(&quoted)),
            "{name} is not in the log"
        );
    }
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-');
    for value in data.iter().flat_map(|datum| datum.dimensions.values()) {
        assert!(value.len() <= 32 && value.bytes().all(allowed), "{value} is no code");
    }
}
