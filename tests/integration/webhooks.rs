//! Webhooks that come late, twice, reordered, replayed, forged, malformed, or before we know what they are about.

use reqwest::Method;
use sandbox_metriport::{Failure, Operation, Replay};
use serde_json::{Value, json};
use shared::metriport::WebhookReplay;

use crate::harness::{Person, TestApp, until};

const PATH: &str = "/v1/webhooks/metriport";
const LONG_AGO: &str = "2020-01-01T00:00:00.000Z";

/// A source of a network query ended, as Metriport writes it, without metadata.
fn source_event(patient: &str, request: &str, message: &str, source: &str) -> Value {
    json!({
        "meta": {
            "messageId": message, "requestId": request, "when": LONG_AGO,
            "type": format!("network-query.{source}"),
        },
        "payload": { "patientId": patient, "source": { "type": source, "status": "completed" } },
    })
}

/// A consolidated query ended, with a link, as Metriport writes it.
fn delivery(patient: &str, request: &str, message: &str, link: &str) -> Value {
    let attachment = json!({ "contentType": "application/json", "url": link });
    let document = json!({
        "resourceType": "DocumentReference",
        "subject": { "reference": format!("Patient/{patient}") },
        "content": [{ "attachment": attachment }],
    });
    let filters = json!({ "resources": "", "dateFrom": "", "dateTo": "", "conversionType": "json" });
    json!({
        "meta": { "messageId": message, "requestId": request, "when": LONG_AGO, "type": "medical.consolidated-data" },
        "patients": [{
            "patientId": patient, "status": "completed", "filters": filters,
            "bundle": { "resourceType": "Bundle", "total": 1, "entry": [{ "resource": document }] },
        }],
    })
}

/// The status of one source of a pull.
async fn source(person: &Person, run: &str, name: &str) -> String {
    let run = person.run(run).await;
    let found = run
        .list("/sources")
        .iter()
        .find(|source| source["type"] == name)
        .cloned();
    found
        .and_then(|source| Some(source["status"].as_str()?.to_owned()))
        .unwrap_or_default()
}

fn calls(app: &TestApp, operation: Operation) -> u64 {
    app.stand_in().stats().calls(operation)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_that_come_late_reordered_and_twice_have_one_effect() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let mut sources = app.until_held("network-query.", 3).await;
    sources.sort_by_key(|held| held.event_type == "network-query.hie");
    for held in &sources {
        app.deliver(held).await;
        assert_eq!(
            app.stand_in().deliver_again(&held.message_id, Replay::default()).await,
            Ok(200)
        );
    }
    let record = app.until_held("medical.consolidated-data", 1).await.remove(0);
    app.deliver(&record).await;
    let run = nora.until_ended(&id).await;
    assert_eq!(run.text("/status"), "completed");

    let codes = nora.codes(&id).await;
    assert_eq!(
        codes.iter().filter(|code| *code == "source_reported").count(),
        3,
        "{codes:?}"
    );
    let before = (run, nora.timeline(&id).await.body, nora.records().await.body);
    for held in sources.iter().chain([&record]) {
        for strip_meta_data in [false, true] {
            let replay = Replay { strip_meta_data };
            assert_eq!(app.stand_in().deliver_again(&held.message_id, replay).await, Ok(200));
        }
    }
    app.drain().await;
    let after = (
        nora.run(&id).await.body,
        nora.timeline(&id).await.body,
        nora.records().await.body,
    );
    assert_eq!(after, (before.0.body, before.1, before.2));
    assert_eq!(after.2["records"].as_array().map(Vec::len), Some(1));
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);
    assert_eq!(calls(&app, Operation::StartConsolidatedQuery), 1);
    assert_eq!(calls(&app, Operation::DownloadFile), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_webhooks_come_back_by_replays_that_lack_our_metadata() {
    let app = TestApp::start().await;
    let metriport = app.sandbox().metriport_client().unwrap();
    let nora = app.person("nora", "Jane");
    assert_eq!(nora.link().await.status, 200);
    app.stand_in().hold_webhooks();
    let lose = async |kind: &str, count: usize| {
        let lost: Vec<usize> = app
            .until_held(kind, count)
            .await
            .iter()
            .map(|held| held.index)
            .collect();
        app.stand_in().drop_held(&lost);
        let status = metriport.webhook_status().await.unwrap().unwrap();
        assert_eq!(status.failed, count as u64);
    };
    nora.pass_identity_page().await;
    lose("ias.identity.verified", 1).await;
    assert_eq!(nora.identity().await, "pending");
    metriport.retry_webhooks().await.unwrap();
    nora.until_identity("verified").await;

    let id = nora.start_from(&["pharmacy", "lab"]).await;
    lose("network-query.", 2).await;
    until("the query runs", async || {
        (nora.run(&id).await.text("/status") == "running").then_some(())
    })
    .await;
    assert_eq!(source(&nora, &id, "lab").await, "processing");
    metriport.retry_webhooks().await.unwrap();
    let record = nora.until_final_record(&id).await;
    lose("medical.consolidated-data", 1).await;
    until("the consolidated query runs", async || {
        (nora.record(&record).await.text("/status") == "processing").then_some(())
    })
    .await;
    metriport.retry_webhooks().await.unwrap();
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");

    for polled in [Operation::ReadNetworkQuery, Operation::ReadConsolidatedQuery] {
        assert_eq!(calls(&app, polled), 0, "it was not the replay that brought the pull on");
    }
    let log = app.stand_in().deliveries();
    let replayed = log
        .iter()
        .filter(|delivery| delivery.replayed && delivery.status == Some(200))
        .count();
    assert!(replayed == 4, "{log:?}");
    app.end().await;
}

/// The same body, unsigned or badly signed, changes nothing; signed, it does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_metriport_did_not_sign_changes_nothing() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["pharmacy", "lab"]).await;
    let request = app.until_held("network-query.", 2).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;
    let body = source_event(&patient, &request, "forged-1", "pharmacy").to_string();
    let good = app.stand_in().sign(body.as_bytes());
    let other = app.stand_in().sign(format!("{body} ").as_bytes());
    let upper = good.to_uppercase();
    let prefixed = format!("sha256={good}");
    let zeros = "0".repeat(64);
    let bad = [
        None,
        Some(""),
        Some(&*other),
        Some(&*upper),
        Some(&*prefixed),
        Some(&good[..63]),
        Some(&*zeros),
    ];
    for signature in bad {
        let request = nora
            .app
            .anonymous(Method::POST, PATH)
            .header("content-type", "application/json");
        let request = match signature {
            Some(signature) => request.header("x-metriport-signature", signature),
            None => request,
        };
        let reply = ias::app::reply(request.body(body.clone())).await.unwrap();
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (401, "signature_invalid"),
            "{signature:?}"
        );
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert_eq!(
            app.sandbox()
                .aws()
                .queues()
                .messages("ias-WebhookEventsQueue")
                .unwrap()
                .len(),
            0
        );
    }
    app.drain().await;
    assert_eq!(source(&nora, &id, "pharmacy").await, "processing");
    assert!(app.items().await.iter().all(|item| !item.contains("forged-1")));

    // A content type that is no text makes API Gateway encode the body; what counts is the bytes that were signed.
    let request = nora
        .app
        .anonymous(Method::POST, PATH)
        .header("content-type", "application/octet-stream");
    let reply = ias::app::reply(request.header("x-metriport-signature", &good).body(body))
        .await
        .unwrap();
    assert_eq!(reply.status, 200);
    until("the signed event counts", async || {
        (source(&nora, &id, "pharmacy").await == "completed").then_some(())
    })
    .await;
    assert_eq!(
        calls(&app, Operation::ReadNetworkQuery),
        0,
        "it was not the webhook that said so"
    );
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_keys_count_while_a_rotation_settles() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    assert_eq!(nora.link().await.status, 200);
    let old_key = app.stand_in().webhook_key();
    let unknown = |message: &str| json!({ "meta": { "messageId": message, "type": "rotation.test" } }).to_string();
    let old = (unknown("old"), app.stand_in().sign(unknown("old").as_bytes()));
    let send = async |body: &str, signature: &str| app.stand_in().send_raw(body, Some(signature)).await.unwrap();

    // Metriport changes the key at once; until the secret is stored, what it signs is refused and kept as failed.
    let new_key = app.stand_in().rotate_webhook_key();
    nora.pass_identity_page().await;
    until("the delivery was refused", async || {
        app.stand_in()
            .deliveries()
            .iter()
            .any(|delivery| delivery.status == Some(401))
            .then_some(())
    })
    .await;
    assert_eq!(nora.identity().await, "pending");

    app.store_webhook_keys(&json!({ "current": new_key, "previous": old_key }))
        .await;
    app.sandbox()
        .metriport_client()
        .unwrap()
        .retry_webhooks()
        .await
        .unwrap();
    nora.until_identity("verified").await;
    assert_eq!(send(&old.0, &old.1).await, 200);

    app.store_webhook_keys(&json!({ "current": new_key, "previous": "" }))
        .await;
    assert_eq!(send(&old.0, &old.1).await, 401);
    let new = unknown("new");
    assert_eq!(send(&new, &app.stand_in().sign(new.as_bytes())).await, 200);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_but_signed_webhooks_are_acknowledged() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let request = app.until_held("network-query.", 3).await.remove(0).request_id;
    let patient = app.patient_of("nora").await;

    // The ping is answered by its own text.
    let ping =
        json!({ "ping": "p-17", "meta": { "messageId": "ping-1", "when": LONG_AGO, "type": "ping" } }).to_string();
    let signed = nora
        .app
        .anonymous(Method::POST, PATH)
        .header("x-metriport-signature", app.stand_in().sign(ping.as_bytes()));
    let pong = ias::app::reply(signed.header("content-type", "application/json").body(ping))
        .await
        .unwrap();
    assert_eq!((pong.status, pong.body), (200, json!({ "pong": "p-17" })));

    // Nothing of these is ours to act on.
    let before = (nora.run(&id).await.body, nora.timeline(&id).await.body);
    let stranger = "0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d";
    let mut other_metadata = source_event(&patient, stranger, "odd-4", "hie");
    other_metadata["meta"]["data"] = json!({ "runId": stranger });
    let mut processing = source_event(&patient, &request, "odd-6", "hie");
    processing["payload"]["source"]["status"] = json!("processing");
    for body in [
        json!({ "meta": { "messageId": "odd-1", "type": "patient.admit" }, "payload": { "patientId": patient } }),
        source_event(stranger, &request, "odd-2", "hie"),
        source_event(&patient, stranger, "odd-3", "hie"),
        other_metadata,
        delivery(&patient, &request, "odd-5", "https://records.example.test/x"),
        processing,
        source_event(&patient, &request, "odd-7", "carrier-pigeon"),
        json!({ "payload": { "patientId": patient } }),
        json!([]),
    ] {
        assert_eq!(app.send_signed(&body).await, 200, "{body}");
    }
    app.drain().await;
    assert_eq!((nora.run(&id).await.body, nora.timeline(&id).await.body), before);

    // One message id, two bodies: the first counts, in whichever order they are read.
    assert_eq!(
        app.send_signed(&source_event(&patient, &request, "twice", "hie")).await,
        200
    );
    app.drain().await;
    assert_eq!(
        app.send_signed(&source_event(&patient, &request, "twice", "lab")).await,
        200
    );
    app.drain().await;
    assert_eq!(
        (source(&nora, &id, "hie").await, source(&nora, &id, "lab").await),
        ("completed".into(), "processing".into())
    );

    // No age is too old and none too young; no message id is needed; and a megabyte is no hurdle.
    let mut future = source_event(&patient, &request, "future", "pharmacy");
    future["meta"]["when"] = json!("2099-01-01T00:00:00.000Z");
    assert_eq!(app.send_signed(&future).await, 200);
    let mut large = source_event(&patient, &request, "large", "lab");
    large["meta"].as_object_mut().unwrap().remove("messageId");
    large["payload"]["padding"] = json!("x".repeat(1024 * 1024));
    assert_eq!(app.send_signed(&large).await, 200);
    app.drain().await;
    assert_eq!(
        (source(&nora, &id, "pharmacy").await, source(&nora, &id, "lab").await),
        ("completed".into(), "completed".into())
    );

    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_identity_event_without_an_id_is_kept_and_hides_no_other() {
    let app = TestApp::start().await;
    let event = |id: &str, payload: Value| {
        let meta = json!({ "messageId": id, "type": "ias.identity.verified" });
        json!({ "meta": meta, "payload": payload })
    };
    assert_eq!(app.send_signed(&event("no-id", json!({ "deep": [1] }))).await, 200);
    // Kept as well where it is larger than a message can be.
    assert_eq!(
        app.send_signed(&event("huge", json!({ "padding": "x".repeat(1024 * 1024) })))
            .await,
        200
    );
    let queues = app.sandbox().aws().queues();
    let kept = until("the messages have failed once", async || {
        let failed = app.log().iter().filter(|line| line.contains("message failed")).count();
        let messages = queues.messages("ias-WebhookEventsQueue").unwrap();
        (failed == 2 && messages.len() == 2).then_some(messages)
    })
    .await;
    assert!(kept.iter().all(|message| message.receive_count == 1));
    let kept = kept.into_iter().find(|message| message.body.contains("no-id")).unwrap();

    // In a batch it comes back alone.
    let harmless = json!({ "meta": { "messageId": "m-2", "type": "nothing.known" } });
    assert_eq!(app.send_signed(&harmless).await, 200);
    let record = |id: &str, body: &str| json!({ "messageId": id, "body": body, "eventSource": "aws:sqs" });
    let good = kept.body.replace("identityUnreadable", "other");
    let bodies = [
        ("a", kept.body.as_str()),
        ("b", &good),
        ("c", "{"),
        ("d", "{\"version\":9}"),
    ];
    let batch = json!({ "Records": bodies.map(|(id, body)| record(id, body)) });
    let reply = app.sandbox().host().invoke("webhook-process", batch).await.unwrap();
    let failed: Vec<&str> = reply["batchItemFailures"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|item| item["itemIdentifier"].as_str())
        .collect();
    assert_eq!(failed, ["a", "c", "d"]);
    // The harmless one goes; the two stay, neither lost nor dead.
    until("only what failed is left", async || {
        (queues.messages("ias-WebhookEventsQueue").unwrap().len() == 2).then_some(())
    })
    .await;
    assert_eq!(app.dead_letters(), 0);
    app.stop().await;
}

/// Only what answers what was asked is taken, and links are followed to listed hosts alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_that_answers_another_question_is_not_taken() {
    let app = TestApp::start().await;
    let trap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let link = format!("http://{}/record.json", trap.local_addr().unwrap());
    let (nora, omar) = (app.person("nora", "Jane"), app.person("omar", "Jane"));
    nora.verify_identity().await;
    omar.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["lab"]).await;
    app.deliver(&app.until_held("network-query.", 1).await[0]).await;
    let held = app.until_held("medical.consolidated-data", 1).await.remove(0);
    let request = held.request_id.clone();
    let (patient, others) = (app.patient_of("nora").await, app.patient_of("omar").await);
    let record = nora.until_final_record(&id).await;
    until("the query runs", async || {
        (nora.record(&record).await.text("/status") == "processing").then_some(())
    })
    .await;

    let right = delivery(&patient, &request, "wrong", &link);
    let with = |message: &str, pointer: &str, value: Value| {
        let mut body = right.clone();
        body["meta"]["messageId"] = json!(message);
        *body.pointer_mut(pointer).unwrap() = value;
        body
    };
    let wrong = [
        with("wrong-1", "/patients/0/patientId", json!(others)),
        with(
            "wrong-2",
            "/patients/0/bundle/entry/0/resource/subject/reference",
            json!(format!("Patient/{others}")),
        ),
        with("wrong-3", "/patients/0/filters/resources", json!("Observation")),
        with("wrong-4", "/patients/0/filters/conversionType", json!("pdf")),
        with("wrong-5", "/patients/0/filters/dateFrom", json!("2020-01-01")),
        with(
            "wrong-6",
            "/meta/requestId",
            json!("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d"),
        ),
        with("wrong-7", "/patients/0/bundle/entry/0/resource/subject", json!(null)),
        with("wrong-8", "/patients/0/filters", json!(null)),
        with("wrong-9", "/patients/0/status", json!("unheard-of")),
    ];
    for body in &wrong {
        assert_eq!(app.send_signed(body).await, 200);
        app.drain().await;
        assert_eq!(nora.record(&record).await.text("/status"), "processing", "{body}");
    }
    app.deliver(&held).await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");

    // The right answer with a link to where records are not fetched from.
    let id = omar.start_from(&["lab"]).await;
    app.deliver(&app.until_held("network-query.", 1).await[0]).await;
    let request = app
        .until_held("medical.consolidated-data", 1)
        .await
        .remove(0)
        .request_id;
    let record = omar.until_final_record(&id).await;
    until("the query runs", async || {
        (omar.record(&record).await.text("/status") == "processing").then_some(())
    })
    .await;
    assert_eq!(
        app.send_signed(&delivery(&others, &request, "foreign", &link)).await,
        200
    );
    let record = omar.until_record(&record).await;
    assert_eq!(
        (record.text("/status"), record.text("/reason")),
        ("failed".into(), "link_refused".into())
    );
    assert_eq!(record.text("/next/action"), "request_record");
    let run = omar.until_ended(&id).await;
    assert_eq!(
        (run.text("/status"), run.text("/reason")),
        ("failed".into(), "record_unavailable".into())
    );
    let followed = tokio::time::timeout(std::time::Duration::from_millis(1), trap.accept()).await;
    assert!(followed.is_err(), "the link was followed");
    app.stand_in().release_all().await;
    app.end().await;
}

/// Our own write of what upstream answered may be slower than the webhook: the metadata we sent leads it home.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_that_come_before_the_answer_are_matched_by_our_metadata() {
    let app = TestApp::with(|options| options.stand_in.delays = sandbox_metriport::Delays::all(0)).await;
    let nora = app.person("nora", "Jane");
    nora.verify_identity().await;
    let unanswered = |operation: Operation| {
        let calls = app.stand_in().calls();
        calls
            .iter()
            .any(|call| call.route == operation.route() && call.method == "POST" && call.status.is_none())
    };
    app.stand_in()
        .fail_next(Operation::StartNetworkQuery, Failure::HangFor(3000));
    app.stand_in()
        .fail_next(Operation::StartConsolidatedQuery, Failure::HangFor(3000));
    let id = nora.start_from(&["lab"]).await;
    until("the source has reported", async || {
        (source(&nora, &id, "lab").await == "completed").then_some(())
    })
    .await;
    assert!(
        unanswered(Operation::StartNetworkQuery),
        "the start was answered before its webhook"
    );
    let record = nora.until_final_record(&id).await;
    let record = nora.until_record(&record).await;
    assert_eq!(record.text("/status"), "available");
    assert!(
        unanswered(Operation::StartConsolidatedQuery),
        "the query was answered before its webhook"
    );
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    until("the answers have come", async || {
        let open = unanswered(Operation::StartNetworkQuery) || unanswered(Operation::StartConsolidatedQuery);
        (!open).then_some(())
    })
    .await;
    app.drain().await;
    assert_eq!(nora.run(&id).await.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartNetworkQuery), 1);

    // Without any trick: as fast as it goes.
    for _ in 0..2 {
        let id = nora.start_from(&["lab"]).await;
        assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    }
    app.end().await;
}

/// A link lives three minutes, and a delivery comes once: whichever is missed is asked for anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_link_or_a_missed_delivery_is_asked_for_anew() {
    let app = TestApp::with(|options| {
        options.time_scale = 30;
        options.stand_in.link_ttl_secs = 2;
        options.stand_in.rate_limits = false;
    })
    .await;
    let (nora, omar) = (app.person("nora", "Jane"), app.person("omar", "Jane"));
    nora.verify_identity().await;
    omar.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start_from(&["lab"]).await;
    app.deliver(&app.until_held("network-query.", 1).await[0]).await;
    let held = app.until_held("medical.consolidated-data", 1).await.remove(0);
    let begun = tokio::time::Instant::now();
    until("the link is dead", async || {
        (begun.elapsed() > std::time::Duration::from_millis(2100)).then_some(())
    })
    .await;
    let asked = calls(&app, Operation::StartConsolidatedQuery);
    app.stand_in().release(&[held.index]).await;
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    assert!(
        calls(&app, Operation::StartConsolidatedQuery) > asked,
        "the record was had without asking anew"
    );

    app.stand_in().hold_webhooks();
    let id = omar.start_from(&["lab"]).await;
    app.deliver(&app.until_held("network-query.", 1).await[0]).await;
    let missed = app.until_held("medical.consolidated-data", 1).await.remove(0);
    app.stand_in().drop_held(&[missed.index]);
    let asked = calls(&app, Operation::StartConsolidatedQuery);
    app.stand_in().release_all().await;
    let run = omar.until_ended(&id).await;
    assert_eq!(run.text("/status"), "completed");
    assert_eq!(calls(&app, Operation::StartConsolidatedQuery), asked + 1);
    assert!(
        calls(&app, Operation::ReadConsolidatedQuery) >= 2,
        "nobody asked how the query went"
    );

    // The missed delivery, replayed at last, with its dead link: too late to matter.
    let before = (run.body, omar.records().await.body);
    app.sandbox()
        .metriport_client()
        .unwrap()
        .retry_webhooks()
        .await
        .unwrap();
    until("the replay has come", async || {
        app.stand_in()
            .deliveries()
            .iter()
            .any(|sent| sent.message_id == missed.message_id)
            .then_some(())
    })
    .await;
    app.drain().await;
    assert_eq!((omar.run(&id).await.body, omar.records().await.body), before);
    app.end().await;
}
