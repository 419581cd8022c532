//! A stand-in that keeps its state over a restart.

use std::path::Path;

use sandbox_metriport::StandInOptions;
use serde_json::{Value, json};

use crate::bench::{Bench, id, options};

fn options_with_journal(path: &Path, seed: u64) -> StandInOptions {
    StandInOptions {
        seed,
        journal: Some(path.to_owned()),
        ..options()
    }
}

/// The answers that an app needs after the restart.
async fn state(bench: &Bench, patient_id: &str, query_id: &str) -> Vec<Value> {
    let mut state = Vec::new();
    for path in [
        "/medical/v1/facility".to_owned(),
        format!("/medical/v1/patient/{patient_id}"),
        format!("/medical/v1/patient/{patient_id}/consolidated/query"),
        format!("/medical/v1/patient/{patient_id}/consolidated/count"),
        format!("/medical/v1/network/query/{query_id}"),
        "/settings/webhook".to_owned(),
    ] {
        state.push(bench.get_json(&path).await);
    }
    state
}

#[tokio::test]
async fn restart_keeps_patients_identities_pages_and_records() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stand-in.jsonl");
    let mut bench = Bench::ready(options_with_journal(&path, 7)).await;
    let patient_id = bench.patient("Nora").await;
    bench.visit(&bench.session_url(&patient_id).await).await;
    let identity_id = id(&bench.hook().await.json["payload"], "proofedIdentityId");
    let query_id = run_query(&mut bench, &patient_id).await;
    fail_delivery_of_record(&mut bench, &patient_id).await;
    let page = bench.session_url(&patient_id).await;
    let before = state(&bench, &patient_id, &query_id).await;
    assert_eq!(before[5]["webhookRequestsFailed"], 1);
    let secrets_before = secrets(&bench, &patient_id);
    bench.stop().await;

    // The restart has another seed and no automatic mode; the restored state must not depend on them.
    let bench = Bench::start(StandInOptions {
        auto_approve: false,
        ..options_with_journal(&path, 8)
    })
    .await;
    assert_eq!(secrets(&bench, &patient_id), secrets_before);
    assert_eq!(state(&bench, &patient_id, &query_id).await, before);
    assert_page_opens(&bench, &page).await;
    bench.challenge_url(&identity_id).await;
    // After the restart, the stand-in does not deliver messages again on its own.
    assert_eq!(bench.stand_in.deliveries().iter().filter(|one| one.replayed).count(), 0);
    bench.stop().await;
}

/// Runs a query until all three sources have reported, and returns its id.
async fn run_query(bench: &mut Bench, patient_id: &str) -> String {
    let query_id = bench.treatment(patient_id, json!({})).await;
    for _ in 0..3 {
        bench.hook().await;
    }
    query_id
}

/// Runs a consolidated query whose webhook the receiver answers with 500.
async fn fail_delivery_of_record(bench: &mut Bench, patient_id: &str) {
    bench.answer_with(500);
    bench.consolidate(patient_id, "conversionType=json").await;
    bench.hook().await;
    let is_refused = |bench: &Bench| {
        let deliveries = bench.stand_in.deliveries();
        deliveries.last().is_some_and(|last| last.status == Some(500))
    };
    bench.until(is_refused).await;
}

/// API key, webhook key, and the secret of the patient's authenticator.
fn secrets(bench: &Bench, patient_id: &str) -> (String, String, Option<String>) {
    (
        bench.stand_in.api_key().to_owned(),
        bench.stand_in.webhook_key(),
        bench.stand_in.totp_secret(patient_id),
    )
}

/// Opens a page from before the restart at the stand-in's new address.
async fn assert_page_opens(bench: &Bench, page: &str) {
    let token = page.rsplit('/').next().unwrap();
    let shown = bench
        .client
        .get(bench.url(&format!("/s/{token}")))
        .send()
        .await
        .unwrap();
    assert_eq!(shown.status(), 200);
}

#[tokio::test]
async fn truncated_last_line_is_dropped_and_damaged_line_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("stand-in.jsonl");
    let bench = Bench::start(options_with_journal(&path, 7)).await;
    let patient_id = bench.patient("Nora").await;
    bench.stop().await;
    let whole = std::fs::read_to_string(&path).unwrap();

    std::fs::write(&path, format!("{whole}{{\"kind\":\"called\",\"at\":17")).unwrap();
    let bench = Bench::start(options_with_journal(&path, 7)).await;
    assert_eq!(
        bench.get(&format!("/medical/v1/patient/{patient_id}")).await.status(),
        200
    );
    bench.stop().await;

    std::fs::write(&path, format!("{whole}nonsense\n")).unwrap();
    let refused = sandbox_metriport::StandIn::start(options_with_journal(&path, 7))
        .await
        .err()
        .unwrap();
    assert!(refused.to_string().ends_with("line 4 cannot be read"), "{refused}");
}
