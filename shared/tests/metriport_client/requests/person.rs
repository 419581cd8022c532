//! Proofing, challenges and queries.

use serde_json::json;
use shared::domain::record::{Conversion, RecordQuery};
use shared::domain::{Aal2SessionId, ProofedIdentityId, SourceKind, UpstreamRequestId};
use shared::metriport::*;

use super::{PATIENT, assert_common, metadata, redirect};
use crate::upstream::{Upstream, patient_id};

#[tokio::test]
async fn identity_session_sends_the_exact_request() {
    let reply = json!({"sessionId": "ids_1", "sessionUrl": "https://auth.test/s/t",
        "expiresAt": "2026-11-22T11:15:00.000Z", "status": "pending"});
    let upstream = Upstream::answering_json(200, reply).await;
    let client = upstream.client();
    let session = client
        .open_identity_session(&patient_id(), &redirect(), &metadata())
        .await
        .unwrap();
    assert_eq!(
        (session.id.as_str(), session.url.expose()),
        ("ids_1", "https://auth.test/s/t")
    );
    assert_eq!(session.expires_at.to_string(), "2026-11-22T11:15:00.000Z");
    assert_eq!(session.status, IdentitySessionStatus::Pending);
    client
        .open_identity_session(&patient_id(), &redirect(), &Metadata::default())
        .await
        .unwrap();
    let requests = upstream.requests();
    assert_common(&requests[0], true);
    assert_eq!(requests[0].line, "POST /medical/v1/identity/session");
    let bare = json!({"patientId": patient_id(), "redirectUrl": "https://app.examplephr.test/ias/return"});
    assert_eq!(requests[1].json(), bare);
    let mut full = bare;
    full["metadata"] = json!({"runId": "run_0031", "env": "staging"});
    assert_eq!(requests[0].json(), full);
}

#[tokio::test]
async fn aal2_challenge_sends_the_exact_request() {
    let reply = json!({"challengeId": "aalc_1", "challengeUrl": "https://auth.test/aal2/t",
        "expiresAt": "2026-11-22T11:20:00.000Z", "method": "totp"});
    let upstream = Upstream::answering_json(201, reply).await;
    let identity = ProofedIdentityId::parse("pid_1").unwrap();
    let challenge = upstream
        .client()
        .open_aal2_challenge(&identity, &redirect())
        .await
        .unwrap();
    assert_eq!((challenge.id.as_str(), challenge.method), ("aalc_1", Aal2Method::Totp));
    let request = upstream.only();
    assert_common(&request, true);
    assert_eq!(request.line, "POST /medical/v1/identity/aal2/challenge");
    let body = json!({"proofedIdentityId": "pid_1", "redirectUrl": "https://app.examplephr.test/ias/return"});
    assert_eq!(request.json(), body);
}

#[tokio::test]
async fn network_query_for_both_purposes_sends_the_exact_request() {
    let upstream = Upstream::answering_json(200, json!({"requestId": "req-1", "status": "processing"})).await;
    let client = upstream.client();
    let start = IasStart {
        patient: patient_id(),
        proofed_identity: ProofedIdentityId::parse("pid_1").unwrap(),
        aal2_session: Aal2SessionId::parse("aal2_1").unwrap(),
        sources: RequestedSources::new(SourceKind::ALL).unwrap(),
        metadata: metadata(),
    };
    assert_eq!(
        client.start_network_query(&start).await.unwrap().request.as_str(),
        "req-1"
    );
    let sources = RequestedSources::new([SourceKind::Hie]).unwrap();
    let treatment = TreatmentStart {
        patient: patient_id(),
        sources,
        metadata: Metadata::default(),
    };
    client.start_treatment_query(&treatment).await.unwrap();

    let requests = upstream.requests();
    assert_common(&requests[0], true);
    let query = "POST /medical/v1/network/query?patientId=0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4&purposeOfUse=";
    assert_eq!(requests[0].line, format!("{query}ias"));
    assert_eq!(requests[0].header("x-aal2-session"), Some("aal2_1"));
    let on = json!({"enabled": true});
    let ias = json!({"sources": {"hie": on, "pharmacy": on, "lab": on}, "proofedIdentityId": "pid_1",
        "metadata": {"runId": "run_0031", "env": "staging"}});
    assert_eq!(requests[0].json(), ias);

    assert_eq!(requests[1].line, format!("{query}treatment"));
    assert_eq!(requests[1].header("x-aal2-session"), None);
    assert_eq!(requests[1].json(), json!({"sources": {"hie": on}}));
    assert_eq!(RequestedSources::new([]), None);
}

#[tokio::test]
async fn network_query_status_sends_the_exact_request() {
    let upstream =
        Upstream::answering_json(200, json!({"requestId": "req-1", "status": "completed", "sources": []})).await;
    let id = UpstreamRequestId::parse("req-1").unwrap();
    let query = upstream.client().read_network_query(&id).await.unwrap();
    assert_eq!(query.status, NetworkQueryStatus::Completed);
    let request = upstream.only();
    assert_common(&request, false);
    assert_eq!(request.line, "GET /medical/v1/network/query/req-1");
    assert_eq!(request.header("x-aal2-session"), None);
}

#[tokio::test]
async fn consolidated_query_sends_the_exact_request() {
    let upstream = Upstream::answering_json(200, json!({"requestId": "req-2", "status": "processing"})).await;
    let client = upstream.client();
    let query = RecordQuery {
        conversion: Conversion::Pdf,
        resources: ["Observation".to_owned(), "MedicationRequest".to_owned()].into(),
        date_from: Some("2024-01-01".to_owned()),
        date_to: Some("2024-12-31".to_owned()),
    };
    client
        .start_consolidated_query(&patient_id(), &query, &metadata())
        .await
        .unwrap();
    client
        .start_consolidated_query(&patient_id(), &RecordQuery::default(), &Metadata::default())
        .await
        .unwrap();

    let requests = upstream.requests();
    assert_common(&requests[0], true);
    let start = format!("POST {PATIENT}/consolidated/query?conversionType=");
    let filters = "&resources=MedicationRequest%2CObservation&dateFrom=2024-01-01&dateTo=2024-12-31";
    assert_eq!(requests[0].line, format!("{start}pdf{filters}"));
    assert_eq!(
        requests[0].json(),
        json!({"metadata": {"runId": "run_0031", "env": "staging"}})
    );
    assert_eq!(
        (requests[1].line.clone(), requests[1].json()),
        (format!("{start}json"), json!({}))
    );
}
