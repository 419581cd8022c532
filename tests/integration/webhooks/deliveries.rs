//! Deliveries of consolidated records: wrong, dead, or missed.

use sandbox_metriport::Operation;
use serde_json::{Value, json};
use shared::metriport::WebhookReplay;

use super::{calls, delivery};
use crate::harness::{TestApp, until};

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
        with("wrong-8", "/patients/0/filters/dateTo", json!(true)),
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

/// A link lives three minutes, and a delivery comes once: whichever is missed is asked for anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_link_or_a_missed_delivery_is_asked_for_anew() {
    let app = TestApp::with(|options| {
        options.time_scale = 20;
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
    let asked = calls(&app, Operation::StartConsolidatedQuery);
    let begun = tokio::time::Instant::now();
    until("the link is dead", async || {
        (begun.elapsed() > std::time::Duration::from_millis(2100)).then_some(())
    })
    .await;
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
