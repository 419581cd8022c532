//! If a decision about a person depends on an answer, the client refuses an unreadable answer.

use serde_json::{Value, json};
use shared::domain::{Aal2SessionId, ExternalId, PatientId, ProofedIdentityId, SourceKind, UpstreamRequestId};
use shared::metriport::*;

use crate::upstream::{Answer, Upstream, patient_id, patient_json};

fn ours() -> ExternalId {
    ExternalId::parse("user-48213").unwrap()
}

fn redirect() -> RedirectUrl {
    RedirectUrl::parse("https://app.examplephr.test/return").unwrap()
}

fn with(mut reply: Value, field: &str, value: Value) -> Value {
    reply[field] = value;
    reply
}

#[tokio::test]
async fn patient_without_our_id_is_foreign() {
    for id in [
        json!("user-1"),
        json!(48213),
        json!(null),
        json!(""),
        json!(["user-48213"]),
        json!("USER-48213"),
    ] {
        let upstream = Upstream::answering_json(200, with(patient_json(), "externalId", id)).await;
        let answered = upstream.client().get_patient(&patient_id()).await.unwrap();
        assert_eq!(answered.verify(&ours()), Err(ForeignPatient));
        let error = upstream.client().find_patient(&ours()).await.unwrap_err();
        assert_eq!(error.kind(), UpstreamErrorKind::Garbage);
    }
}

#[tokio::test]
async fn answer_about_another_object_is_garbage() {
    let upstream = Upstream::answering_json(200, patient_json()).await;
    let other = PatientId::parse("another").unwrap();
    assert_eq!(
        upstream.client().get_patient(&other).await.unwrap_err().kind(),
        UpstreamErrorKind::Garbage
    );

    let upstream = Upstream::answering_json(200, json!({"requestId": "req-1", "status": "completed"})).await;
    let other = UpstreamRequestId::parse("req-2").unwrap();
    let client = upstream.client();
    assert_eq!(
        client.read_network_query(&other).await.unwrap_err().kind(),
        UpstreamErrorKind::Garbage
    );
}

#[tokio::test]
async fn only_a_404_of_the_api_means_that_a_patient_is_absent() {
    let absent = json!({"status": 404, "name": "NOT_FOUND", "title": "PatientNotFoundError", "detail": "x"});
    let upstream = Upstream::answering_json(404, absent).await;
    assert_eq!(upstream.client().find_patient(&ours()).await.unwrap(), None);
    let upstream = Upstream::answering_json(404, json!({"message": "Not Found"})).await;
    assert_eq!(
        upstream.client().find_patient(&ours()).await.unwrap_err().kind(),
        UpstreamErrorKind::NoRoute
    );
}

#[tokio::test]
async fn hosted_session_without_id_link_or_expiry_is_garbage() {
    let whole = json!({"sessionId": "ids_1", "sessionUrl": "https://auth.test/s", "expiresAt": "2026-11-22T11:15:00Z",
        "challengeId": "aalc_1", "challengeUrl": "https://auth.test/s", "method": "totp"});
    let identity = ProofedIdentityId::parse("pid_1").unwrap();
    for (fields, bad) in [
        (["sessionId", "challengeId"], json!(null)),
        (["sessionId", "challengeId"], json!("with space")),
        (["sessionUrl", "challengeUrl"], json!("javascript:alert(1)")),
        (["sessionUrl", "challengeUrl"], json!("http://auth.test/s")),
        (["expiresAt", "expiresAt"], json!("soon")),
        (["expiresAt", "expiresAt"], json!(1_795_000_000)),
    ] {
        let reply = with(with(whole.clone(), fields[0], bad.clone()), fields[1], bad);
        let upstream = Upstream::answering_json(200, reply).await;
        let client = upstream.client();
        let session = client
            .open_identity_session(&patient_id(), &redirect(), &Metadata::default())
            .await;
        let challenge = client.open_aal2_challenge(&identity, &redirect()).await;
        for error in [session.unwrap_err(), challenge.unwrap_err()] {
            assert_eq!(
                (error.kind(), error.effect()),
                (UpstreamErrorKind::Garbage, Effect::Unknown)
            );
        }
    }
}

#[tokio::test]
async fn id_with_dots_or_slashes_cannot_reach_another_route() {
    let upstream = Upstream::answering_json(200, patient_json()).await;
    for (id, path) in [
        ("../settings", Some("/medical/v1/patient/..%2Fsettings")),
        ("..", None),
        (".", None),
    ] {
        let before = upstream.requests().len();
        let error = upstream
            .client()
            .get_patient(&PatientId::parse(id).unwrap())
            .await
            .unwrap_err();
        match path {
            Some(path) => assert_eq!(upstream.requests()[before].line, format!("GET {path}")),
            None => assert_eq!((error.effect(), upstream.requests().len()), (Effect::NotSent, before)),
        }
    }
}

async fn ias_refusal(answer: Answer) -> UpstreamError {
    let upstream = Upstream::answering(answer).await;
    let start = IasStart {
        patient: patient_id(),
        proofed_identity: ProofedIdentityId::parse("pid_1").unwrap(),
        aal2_session: Aal2SessionId::parse("aal2_1").unwrap(),
        sources: RequestedSources::new([SourceKind::Hie]).unwrap(),
        metadata: Metadata::default(),
    };
    upstream.client().start_network_query(&start).await.unwrap_err()
}

fn refusal(status: u16, detail: &str) -> Answer {
    Answer::json(
        status,
        &json!({"status": status, "name": "X", "title": "MetriportError", "detail": detail}),
    )
}

#[tokio::test]
async fn refused_start_shows_whether_aal2_or_identity_is_missing() {
    let about = |error: UpstreamError| (error.mentions_aal2(), error.mentions_identity());
    for (answer, expected) in [
        (refusal(401, "no"), (true, false)),
        (refusal(403, "no"), (true, false)),
        (refusal(400, "AAL2 session expired"), (true, false)),
        (refusal(422, "Invalid session"), (true, false)),
        (refusal(403, "Proofed identity is not active"), (false, true)),
        (refusal(400, "required, on [proofedIdentityId]"), (false, true)),
        (
            refusal(400, "At least one source must be enabled, on [sources]"),
            (false, false),
        ),
        (refusal(404, "Could not find patient"), (false, false)),
        (Answer::json(403, &json!({"message": "Forbidden"})), (false, false)),
        (Answer::new(403, "text/plain", "Access denied"), (false, false)),
        (
            Answer::json(500, &json!({"message": "session store down"})),
            (false, false),
        ),
    ] {
        let shown = format!("{answer:?}");
        assert_eq!(about(ias_refusal(answer).await), expected, "{shown}");
    }
}

#[tokio::test]
async fn bare_401_without_an_aal2_session_is_about_the_key() {
    let upstream = Upstream::answering(refusal(401, "no")).await;
    let sources = RequestedSources::new([SourceKind::Hie]).unwrap();
    let start = TreatmentStart {
        patient: patient_id(),
        sources,
        metadata: Metadata::default(),
    };
    let error = upstream.client().start_treatment_query(&start).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.mentions()),
        (UpstreamErrorKind::Auth, Mentions::default())
    );
}

#[tokio::test]
async fn refused_challenge_mentions_identity_unless_fault_is_ours() {
    let identity = ProofedIdentityId::parse("pid_1").unwrap();
    for (answer, expected) in [
        (refusal(400, "no"), true),
        (refusal(403, "no"), true),
        (refusal(404, "no"), true),
        (refusal(409, "no"), true),
        (refusal(422, "no"), true),
        (refusal(400, "redirectUrl is not on the allowlist"), false),
        (refusal(500, "no"), false),
        (refusal(429, "no"), false),
        (Answer::json(403, &json!({"message": "Forbidden"})), false),
        (Answer::json(404, &json!({"message": "Not Found"})), false),
    ] {
        let shown = format!("{answer:?}");
        let upstream = Upstream::answering(answer).await;
        let error = upstream
            .client()
            .open_aal2_challenge(&identity, &redirect())
            .await
            .unwrap_err();
        assert_eq!(error.mentions_identity(), expected, "{shown}");
    }
}
