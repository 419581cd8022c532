//! The texts of errors and of `Debug`, which a log line could show, reveal nothing secret or personal.

use serde_json::json;
use shared::domain::{Aal2SessionId, ExternalId, PatientId, ProofedIdentityId, SourceKind};
use shared::metriport::*;

use crate::upstream::{Answer, Then, Upstream, client, demographics, patient_client, patient_json, raw};

const CANARY: &str = "CANARY7c1f";

fn assert_silent(shown: &str) {
    assert!(!shown.contains(CANARY), "{shown}");
    assert!(!shown.contains("Nora") && !shown.contains("Quill"), "{shown}");
}

fn show(error: &UpstreamError) -> String {
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    sources.fold(format!("{error} {error:?} {error:#?}"), |shown, source| {
        format!("{shown} {source} {source:?}")
    })
}

fn patient() -> PatientId {
    PatientId::parse(CANARY).unwrap()
}

fn ias_start() -> IasStart {
    IasStart {
        patient: patient(),
        proofed_identity: ProofedIdentityId::parse(CANARY).unwrap(),
        aal2_session: Aal2SessionId::parse(CANARY).unwrap(),
        sources: RequestedSources::new([SourceKind::Hie]).unwrap(),
        metadata: Metadata::default(),
    }
}

#[tokio::test]
async fn errors_do_not_quote_the_answer() {
    let answers = [
        Answer::json(
            400,
            &json!({"status": 400, "name": CANARY, "title": CANARY, "detail": CANARY}),
        ),
        Answer::json(403, &json!({"message": CANARY})),
        Answer::json(423, &json!(CANARY)),
        Answer::new(429, "text/html", CANARY).header("retry-after", CANARY),
        Answer::new(500, "text/plain", CANARY),
        Answer::new(200, "application/json", format!("{{\"requestId\": {CANARY}")),
        Answer::new(200, "application/json", format!("{{\"status\": \"{CANARY}\"}}")),
        Answer::new(307, "text/plain", "").header("location", format!("https://{CANARY}.test/")),
    ];
    for answer in answers {
        let upstream = Upstream::answering(answer).await;
        assert_silent(&show(
            &upstream.client().start_network_query(&ias_start()).await.unwrap_err(),
        ));
    }
}

#[tokio::test]
async fn errors_do_not_quote_the_request() {
    let (closing, _server) = raw("", Then::Close).await;
    let (hanging, server) = raw("", Then::Hang).await;
    let impatient = patient_client(&hanging, std::time::Duration::from_millis(200));
    for client in [
        client(&closing),
        impatient,
        client("http://127.0.0.1:1"),
        client("https://127.0.0.1:1"),
    ] {
        assert_silent(&show(&client.start_network_query(&ias_start()).await.unwrap_err()));
        let id = ExternalId::parse(CANARY).unwrap();
        assert_silent(&show(&client.find_patient(&id).await.unwrap_err()));
    }
    server.abort();
}

#[test]
fn debug_of_requests_shows_no_personal_data() {
    let id = ExternalId::parse(CANARY).unwrap();
    let facility = shared::domain::FacilityId::parse("f").unwrap();
    let new = NewPatient {
        facility: facility.clone(),
        external_id: id.clone(),
        demographics: demographics(),
        hie_opt_out: None,
    };
    let update = PatientUpdate {
        patient: patient(),
        facility,
        external_id: id,
        demographics: demographics(),
        hie_opt_out: None,
    };
    assert_silent(&format!("{new:?} {update:?} {:?}", ias_start()));
}

#[tokio::test]
async fn debug_of_answers_shows_no_personal_data() {
    let mut reply = patient_json();
    for field in ["id", "externalId", "sessionId", "challengeId", "webhookKey"] {
        reply[field] = json!(CANARY);
    }
    for field in ["sessionUrl", "challengeUrl"] {
        reply[field] = json!(format!("https://auth.test/s/{CANARY}"));
    }
    reply["expiresAt"] = json!("2026-11-22T11:15:00Z");
    let upstream = Upstream::answering_json(200, reply).await;
    let client = upstream.client();
    let redirect = RedirectUrl::parse("https://app.test/return").unwrap();
    let patient_answer = client.get_patient(&patient()).await.unwrap();
    let session = client
        .open_identity_session(&patient(), &redirect, &Metadata::default())
        .await
        .unwrap();
    let identity = ProofedIdentityId::parse("pid_1").unwrap();
    let challenge = client.open_aal2_challenge(&identity, &redirect).await.unwrap();
    let settings = client.read_settings().await.unwrap();
    assert_silent(&format!("{patient_answer:?} {session:?} {challenge:?} {settings:?}"));
}

#[test]
fn debug_of_the_client_hides_the_api_key() {
    let options = ClientOptions {
        base_url: "https://api.metriport.com".parse().unwrap(),
        api_key: CANARY.to_owned().into(),
        http: http_client(std::time::Duration::from_secs(1), std::time::Duration::from_secs(1)).unwrap(),
        request_timeout: std::time::Duration::from_secs(1),
        user_agent: "test".to_owned(),
    };
    assert_silent(&format!("{options:?}"));
    assert_silent(&format!("{:?}", Client::new(options).unwrap()));
}

#[tokio::test]
async fn status_that_is_not_one_word_is_not_kept() {
    for prose in ["Nora Quill, born 1984-07-19", &CANARY.repeat(9)] {
        let upstream = Upstream::answering_json(200, json!({"requestId": "r", "status": prose})).await;
        let query = upstream.client().start_network_query(&ias_start()).await.unwrap();
        assert_eq!(query.status, NetworkQueryStatus::Unknown(String::new()));
        assert_silent(&format!("{query:?}"));
    }
}
