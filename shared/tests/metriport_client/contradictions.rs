//! The client accepts both forms if Metriport's pages and its public code contradict each other.

use serde_json::{Value, json};
use shared::domain::pull::{QueryReport, SourceOutcome};
use shared::domain::record::RecordQuery;
use shared::domain::{ExternalId, SourceKind, Time, UpstreamRequestId};
use shared::metriport::*;

use crate::upstream::{Answer, Upstream, patient_id, patient_json};

async fn network(mut reply: Value) -> NetworkQuery {
    reply["requestId"] = json!("req-1");
    let upstream = Upstream::answering_json(200, reply).await;
    upstream
        .client()
        .read_network_query(&UpstreamRequestId::parse("req-1").unwrap())
        .await
        .unwrap()
}

async fn consolidated(reply: Value) -> Result<ConsolidatedQuery, UpstreamError> {
    let upstream = Upstream::answering_json(200, reply).await;
    upstream
        .client()
        .start_consolidated_query(&patient_id(), &RecordQuery::default(), &Metadata::default())
        .await
}

async fn webhooks(body: &str) -> Option<WebhookStatus> {
    let upstream = Upstream::answering(Answer::new(200, "application/json", body)).await;
    upstream.client().webhook_status().await.unwrap()
}

#[tokio::test]
async fn running_partial_and_unknown_words_are_not_an_outcome() {
    for (word, status) in [
        ("processing", NetworkQueryStatus::Processing),
        ("in-progress", NetworkQueryStatus::Processing),
        ("partial", NetworkQueryStatus::Partial),
        ("hibernating", NetworkQueryStatus::Unknown("hibernating".to_owned())),
    ] {
        let query = network(json!({"status": word, "sources": [{"type": "hie", "status": word}]})).await;
        assert_eq!(query.status, status);
        assert_eq!(query.sources[&SourceKind::Hie].state.outcome(), None);
        assert_eq!(QueryReport::from(&query).overall, None);
    }
}

#[tokio::test]
async fn failed_source_is_read_from_errors_sources_or_both() {
    let listed = json!({"type": "pharmacy", "status": "failed", "startedAt": "2026-11-22T11:24:00.310Z"});
    let error = json!({"source": "pharmacy", "httpStatus": 400, "message": "source not available", "timestamp": "?"});
    let hie = json!({"type": "hie", "status": "completed", "completedAt": "2026-11-22T11:31:06.900Z"});
    for (sources, errors, http_status) in [
        (json!([hie]), json!([error]), Some(400)),
        (json!([hie, listed]), json!([error]), Some(400)),
        (json!([hie, listed]), Value::Null, None),
    ] {
        let query = network(json!({"status": "partial", "sources": sources, "errors": errors})).await;
        assert_eq!(query.sources.len(), 2);
        let report = &query.sources[&SourceKind::Pharmacy];
        assert_eq!(
            (report.state.outcome(), report.http_status),
            (Some(SourceOutcome::Failed), http_status)
        );
        assert_eq!(
            query.sources[&SourceKind::Hie].completed_at,
            Time::parse("2026-11-22T11:31:06.900Z").ok()
        );
    }
}

/// Half of a surrogate pair, as `JSON.stringify` writes it, and a number beyond every float affect only their own
/// fields.
#[tokio::test]
async fn odd_value_affects_only_its_own_field() {
    let body = r#"{"requestId":"req-1","status":"partial","x":"\ud83d","startedAt":1e999,
        "sources":[{"type":"hie","status":"completed","name":"B\ud83d"},{"type":"lab","status":"\ud83d"}],
        "errors":[{"source":"pharmacy","httpStatus":400,"message":"B\ud83d"}]}"#;
    let upstream = Upstream::answering(Answer::new(200, "application/json", body)).await;
    let request = UpstreamRequestId::parse("req-1").unwrap();
    let query = upstream.client().read_network_query(&request).await.unwrap();
    let of = |kind| (query.sources[&kind].state.outcome(), query.sources[&kind].http_status);
    assert_eq!(query.status, NetworkQueryStatus::Partial);
    assert_eq!(of(SourceKind::Hie), (Some(SourceOutcome::Completed), None));
    assert_eq!(of(SourceKind::Lab), (None, None));
    assert_eq!(of(SourceKind::Pharmacy), (Some(SourceOutcome::Failed), Some(400)));
}

#[tokio::test]
async fn unknown_kinds_and_broken_entries_are_ignored() {
    let sources =
        json!([{"type": "laboratory", "status": "completed"}, {"type": "imaging", "status": "completed"}, 7, {}]);
    let query = network(json!({"status": "completed", "sources": sources, "purposeOfUse": "ias"})).await;
    assert_eq!(query.sources.keys().collect::<Vec<_>>(), [&SourceKind::Lab]);
    assert_eq!(
        (query.started_at, query.sources[&SourceKind::Lab].started_at),
        (None, None)
    );
    let nulls = network(json!({"status": "processing", "sources": null, "errors": null, "startedAt": null})).await;
    assert!(nulls.sources.is_empty());
}

#[tokio::test]
async fn rate_limit_of_one_source_is_read_from_errors() {
    let query = network(json!({"status": "processing", "errors": [{"source": "lab", "httpStatus": "429"}]})).await;
    assert_eq!(query.sources[&SourceKind::Lab].http_status, Some(429));
}

#[tokio::test]
async fn flag_is_read_from_a_string_a_boolean_or_null() {
    for (enabled, expected) in [
        (json!(true), Some(true)),
        (json!("true"), Some(true)),
        (json!("false"), Some(false)),
        (json!(null), None),
    ] {
        let status = webhooks(&json!({"webhookEnabled": enabled, "webhookRequestsFailed": 1}).to_string()).await;
        assert_eq!(
            status.unwrap(),
            WebhookStatus {
                enabled: expected,
                processing: 0,
                failed: 1
            }
        );
    }
    for nothing in ["", "{}", "null"] {
        assert_eq!(webhooks(nothing).await, None);
    }
}

#[tokio::test]
async fn settings_without_url_and_key_are_read() {
    let upstream = Upstream::answering_json(200, json!({"id": "x", "webhookUrl": null, "webhookKey": ""})).await;
    let settings = upstream.client().read_settings().await.unwrap();
    assert!(settings.webhook_url.is_none() && settings.webhook_key.is_none());
}

#[tokio::test]
async fn opt_out_is_read_from_both_places_newer_first() {
    let ours = ExternalId::parse("user-48213").unwrap();
    for (fields, expected) in [
        (json!({}), None),
        (json!({"hieOptOut": true}), Some(true)),
        (json!({"status": {"hieOptOut": true}}), Some(true)),
        (json!({"status": {"hieOptOut": false}, "hieOptOut": true}), Some(false)),
        (
            json!({"status": "odd", "hieOptOut": true, "eTag": 7, "facilityIds": null, "firstName": ["Nora"]}),
            Some(true),
        ),
    ] {
        let mut reply = patient_json();
        reply
            .as_object_mut()
            .unwrap()
            .extend(fields.as_object().unwrap().clone());
        let upstream = Upstream::answering_json(200, reply).await;
        let patient = upstream
            .client()
            .get_patient(&patient_id())
            .await
            .unwrap()
            .verify(&ours)
            .unwrap();
        assert_eq!(patient.hie_opt_out, expected);
    }
}

#[tokio::test]
async fn echoed_filters_of_any_form_are_accepted() {
    for echo in [
        json!({}),
        json!({"resources": []}),
        json!({"resources": "all"}),
        json!({"resources": "", "dateTo": ""}),
    ] {
        let mut reply = json!({"requestId": "r", "status": "in-progress", "startedAt": "2026-11-22T11:34:50.120Z"});
        reply.as_object_mut().unwrap().extend(echo.as_object().unwrap().clone());
        assert_eq!(consolidated(reply).await.unwrap().request.as_str(), "r");
    }
}

#[tokio::test]
async fn consolidated_query_in_another_form_is_garbage() {
    let reply = |form: &str| json!({"requestId": "r", "status": "processing", "conversionType": form});
    assert!(consolidated(reply("json")).await.is_ok());
    assert_eq!(
        consolidated(reply("pdf")).await.unwrap_err().kind(),
        UpstreamErrorKind::Garbage
    );
}
