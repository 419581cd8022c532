//! Faults that a test requests, with and without effect.

use std::time::Duration;

use sandbox_metriport::{Failure, Operation, Wait};
use serde_json::{Value, json};

use crate::bench::{Bench, options, patient_body};

const LOOKUP: &str = "/medical/v1/patient/external-id?externalId=user-48213";

async fn exists(bench: &Bench) -> bool {
    bench.get(LOOKUP).await.status() == 200
}

async fn create(bench: &Bench) -> Result<reqwest::Response, reqwest::Error> {
    bench
        .post_request(&bench.create_patient_path(), &patient_body("Nora"))
        .send()
        .await
}

#[tokio::test]
async fn requested_status_is_sent_once_without_an_effect() {
    let bench = Bench::start(options()).await;
    bench.stand_in.fail_next(
        Operation::CreatePatient,
        Failure::envelope(503, "MetriportError", "down"),
    );
    let refused = create(&bench).await.unwrap();
    assert_eq!(refused.status(), 503);
    assert_eq!(refused.json::<Value>().await.unwrap()["title"], "MetriportError");
    assert!(!exists(&bench).await);
    assert_eq!(create(&bench).await.unwrap().status(), 201);
    bench.stop().await;
}

#[tokio::test]
async fn reset_before_the_effect_prevents_the_effect() {
    let bench = Bench::start(options()).await;
    bench
        .stand_in
        .fail_next(Operation::CreatePatient, Failure::ResetBeforeEffect);
    assert!(create(&bench).await.is_err());
    assert!(!exists(&bench).await);
    assert_eq!(bench.stand_in.calls()[0].status, None);
    bench.stop().await;
}

#[tokio::test]
async fn reset_after_the_effect_keeps_the_effect() {
    let bench = Bench::start(options()).await;
    bench
        .stand_in
        .fail_next(Operation::CreatePatient, Failure::ResetAfterEffect);
    assert!(create(&bench).await.is_err());
    assert!(exists(&bench).await);
    bench.stop().await;
}

#[tokio::test]
async fn garbage_and_hanging_calls_keep_their_effect() {
    let bench = Bench::start(options()).await;
    bench.stand_in.fail_next(Operation::CreatePatient, Failure::Garbage);
    assert!(create(&bench).await.unwrap().json::<Value>().await.is_err());
    assert!(exists(&bench).await);
    bench
        .stand_in
        .fail_next(Operation::SetSettings, Failure::HangFor(60_000));
    let request = bench.post_request("/settings", &json!({ "webhookUrl": bench.hook_url }));
    let timed_out = request.timeout(Duration::from_millis(300)).send().await.unwrap_err();
    assert!(timed_out.is_timeout());
    assert_eq!(bench.get_json("/settings").await["webhookUrl"], bench.hook_url.as_str());
    bench.stop().await;
}

#[tokio::test]
async fn truncated_download_breaks_off_once() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.collected("Nora").await;
    let link = bench.attachments(&patient_id, "conversionType=json").await[0].1.clone();
    bench
        .stand_in
        .fail_next(Operation::DownloadFile, Failure::TruncateAfter(1000));
    let broken = match bench.client.get(&link).send().await {
        Ok(answer) => answer.bytes().await.is_err(),
        Err(_) => true,
    };
    assert!(broken);
    assert!(
        bench
            .client
            .get(&link)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap()
            .len()
            > 1000
    );
    bench.stop().await;
}

#[tokio::test]
async fn imposed_wait_is_configured_delay() {
    let bench = Bench::start(options()).await;
    assert_eq!(bench.stand_in.configured_delay_ms(Wait::Pull), 20);
    bench.stop().await;
}
