//! The limit of refused links. It stops a caller who probes which persons are patients.

use sandbox_metriport::{Operation, Persona};
use serde_json::Value;
use shared::domain::patient::REFUSALS_MAX;

use crate::harness::{Person, TestApp, refused, retry_after};

async fn remembered(app: &TestApp) -> usize {
    let table = app.table().await;
    let rows = table.iter().filter(|item| item["sk"] == "PATIENT");
    rows.filter_map(|item| item["refusals"].as_array().map(Vec::len)).sum()
}

/// Sends different demographics, and checks that the refusal has no `Retry-After`. Returns the refusal's body.
async fn refuse_next(probe: &Person, number: usize) -> Value {
    let mut other = probe.demographics().clone();
    other["address"][0]["addressLine1"] = format!("{number} Elm St").into();
    let answer = probe.send("PUT", "/v1/patient", &other).await;
    refused(&answer, 409, "patient_link_refused", "contact_support");
    assert_eq!(retry_after(&answer), 0, "{:?}", answer.headers);
    answer.body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixth_refused_link_in_an_hour_is_refused_without_a_search() {
    let app = TestApp::start().await;
    let probe = app.person("probe", Persona::WrongExternalId.first_name()).await;
    let mut bodies = Vec::new();
    for number in 1..=REFUSALS_MAX {
        bodies.push(refuse_next(&probe, number).await);
        assert_eq!(remembered(&app).await, number);
    }
    let calls = [Operation::FindPatient, Operation::CreatePatient].map(|operation| app.upstream(operation));
    let before = app.snapshot().await;

    let answer = probe.link().await;
    refused(&answer, 409, "patient_link_refused", "contact_support");
    assert_eq!(
        answer.body, bodies[0],
        "the answer reveals that no patient was searched"
    );
    let wait = retry_after(&answer);
    assert!((3_000..=3_601).contains(&wait), "{wait}");
    assert_eq!(app.snapshot().await, before);
    let later = [Operation::FindPatient, Operation::CreatePatient].map(|operation| app.upstream(operation));
    assert_eq!(later, calls, "upstream was asked");
    app.until_metric("LinksRefused", &[("Reason", "refused_too_often")], 1)
        .await;
    let foreign = app.metric_values("LinksRefused", &[("Reason", "patient_foreign")]);
    assert_eq!(foreign.len(), REFUSALS_MAX);

    assert_eq!(app.person("nora", "Jane").await.link().await.status, 200);
    app.end().await;
}
