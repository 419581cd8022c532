//! Proofing, challenge, query and record, as a person with an authenticator app passes them.

use sandbox_metriport::StandInOptions;
use serde_json::{Value, json};

use crate::bench::{Bench, RETURN_URL, back, id, options};

async fn submit(bench: &Bench, url: &str, fields: &str) -> reqwest::Response {
    let form = "application/x-www-form-urlencoded";
    bench
        .client
        .post(url)
        .header("content-type", form)
        .body(fields.to_owned())
        .send()
        .await
        .unwrap()
}

fn start_body(identity_id: &str) -> Value {
    let enabled = json!({ "enabled": true });
    json!({
        "sources": { "hie": enabled, "pharmacy": enabled, "lab": enabled },
        "proofedIdentityId": identity_id,
        "metadata": { "runId": "run-1" },
    })
}

#[tokio::test]
async fn person_pulls_their_own_record() {
    let mut bench = Bench::ready(StandInOptions {
        auto_approve: false,
        ..options()
    })
    .await;
    let patient_id = bench.patient("Nora").await;
    let identity_id = prove_identity(&mut bench, &patient_id).await;
    let aal2_session = pass_challenge(&bench, &patient_id, &identity_id).await;
    let request_id = start_query_once(&bench, &patient_id, &identity_id, &aal2_session).await;
    receive_source_events(&mut bench, &request_id).await;
    let status = bench.get_json(&format!("/medical/v1/network/query/{request_id}")).await;
    assert_eq!(status["status"], "completed");
    download_counted_record(&mut bench, &patient_id).await;
    assert!(!bench.has_hook());
    bench.stop().await;
}

/// Passes the hosted identity page, after one wrong code, and returns the webhook's proofed identity.
async fn prove_identity(bench: &mut Bench, patient_id: &str) -> String {
    let session = bench.session_url(patient_id).await;
    let page = bench.client.get(&session).send().await.unwrap();
    assert_eq!(
        (page.status().as_u16(), &page.headers()["referrer-policy"]),
        (200, &"no-referrer".parse().unwrap())
    );
    assert!(
        page.text()
            .await
            .unwrap()
            .contains(&bench.stand_in.totp_secret(patient_id).unwrap())
    );
    assert_eq!(submit(bench, &session, "action=confirm&code=nope").await.status(), 422);
    let code = bench.stand_in.totp_code(patient_id).unwrap();
    let left = submit(bench, &session, &format!("action=confirm&code={code}")).await;
    assert_eq!(back(&left), RETURN_URL);
    assert_eq!(bench.client.get(&session).send().await.unwrap().status(), 410);
    let verified = bench.hook().await;
    assert_eq!(
        (verified.event_type(), verified.user_agent.as_str()),
        ("ias.identity.verified", "Metriport API")
    );
    assert_eq!(verified.signature, bench.stand_in.sign(&verified.raw));
    id(&verified.json["payload"], "proofedIdentityId")
}

/// Passes the hosted challenge page and returns the AAL2 session in its redirect.
async fn pass_challenge(bench: &Bench, patient_id: &str, identity_id: &str) -> String {
    let challenge = bench.challenge_url(identity_id).await;
    let code = bench.stand_in.totp_code(patient_id).unwrap();
    let left = back(&submit(bench, &challenge, &format!("code={code}")).await);
    let query = left.strip_prefix(&format!("{RETURN_URL}?aal2SessionId=")).unwrap();
    query.strip_suffix("&status=verified").unwrap().to_owned()
}

/// Starts a query, checks that an invented session and a used session are refused, and returns the query's id.
async fn start_query_once(bench: &Bench, patient_id: &str, identity_id: &str, aal2_session: &str) -> String {
    let path = format!("/medical/v1/network/query?patientId={patient_id}&purposeOfUse=ias");
    let start = |session: &str| {
        bench
            .post_request(&path, &start_body(identity_id))
            .header("x-aal2-session", session.to_owned())
            .send()
    };
    assert_eq!(start("aal2_made-up").await.unwrap().status(), 401);
    let started: Value = start(aal2_session).await.unwrap().json().await.unwrap();
    assert_eq!(start(aal2_session).await.unwrap().status(), 401);
    id(&started, "requestId")
}

async fn receive_source_events(bench: &mut Bench, request_id: &str) {
    let mut types = Vec::new();
    for _ in 0..3 {
        let hook = bench.hook().await;
        assert_eq!(
            (&hook.json["meta"]["requestId"], &hook.json["payload"]["purposeOfUse"]),
            (&json!(request_id), &json!("ias"))
        );
        assert_eq!(hook.json["meta"]["data"]["runId"], "run-1");
        types.push(hook.event_type().to_owned());
    }
    types.sort();
    assert_eq!(
        types,
        ["network-query.hie", "network-query.lab", "network-query.pharmacy"]
    );
}

/// Checks that the record has as many entries as the API counts resources.
async fn download_counted_record(bench: &mut Bench, patient_id: &str) {
    let attachments = bench.attachments(patient_id, "conversionType=json").await;
    let bundle: Value = bench
        .client
        .get(&attachments[0].1)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    let count = bench
        .get_json(&format!("/medical/v1/patient/{patient_id}/consolidated/count"))
        .await;
    assert_eq!(
        bundle["entry"].as_array().unwrap().len(),
        usize::try_from(count["total"].as_u64().unwrap()).unwrap()
    );
    assert!(count["total"].as_u64().unwrap() > 50);
}

#[tokio::test]
async fn automatic_mode_completes_a_page_at_the_first_visit() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.patient("Nora").await;
    let session = bench.session_url(&patient_id).await;
    assert_eq!(bench.visit(&session).await, RETURN_URL);
    let identity_id = id(&bench.hook().await.json["payload"], "proofedIdentityId");
    let challenge = bench.challenge_url(&identity_id).await;
    assert!(bench.visit(&challenge).await.ends_with("&status=verified"));
    assert_eq!(bench.client.get(&challenge).send().await.unwrap().status(), 410);
    bench.stop().await;
}

#[tokio::test]
async fn cancelled_page_returns_without_a_session() {
    let mut bench = Bench::ready(options()).await;
    let patient_id = bench.patient("Nora").await;
    let session = bench.session_url(&patient_id).await;
    bench.visit(&session).await;
    let identity_id = id(&bench.hook().await.json["payload"], "proofedIdentityId");
    let challenge = bench.challenge_url(&identity_id).await;
    let left = back(&submit(&bench, &challenge, "action=cancel&code=").await);
    assert_eq!(left, format!("{RETURN_URL}?status=cancelled"));
    let second = bench.session_url(&patient_id).await;
    assert_eq!(back(&submit(&bench, &second, "action=cancel").await), RETURN_URL);
    assert!(!bench.has_hook());
    bench.stop().await;
}

#[tokio::test]
async fn redirects_outside_the_allowlist_are_refused() {
    let bench = Bench::start(options()).await;
    let patient_id = bench.patient("Nora").await;
    let body = |url: &str| json!({ "patientId": patient_id, "redirectUrl": url });
    let open = async |url: &str| {
        bench
            .post("/medical/v1/identity/session", &body(url))
            .await
            .status()
            .as_u16()
    };
    let local = "http://127.0.0.1:3000/return";
    assert_eq!(
        (open("https://elsewhere.example.test/").await, open(local).await),
        (400, 400)
    );
    bench.stand_in.allow_redirect(local);
    assert_eq!(open(local).await, 200);
    bench.stop().await;
}

#[tokio::test]
async fn given_record_reaches_the_patient_byte_for_byte() {
    let bundle = br#"{"resourceType":"Bundle","type":"collection","entry":[
        {"resource":{"resourceType":"Patient","id":"p","birthDate":"1984-07-19"}},
        {"resource":{"resourceType":"MedicationRequest","id":"m","note":[{"text":"caf\u00e9"}]}},
        {"resource":{"resourceType":"Observation","id":"o","valueQuantity":{"value":1.50}}}]}"#;
    let record = sandbox_fhir::split(bundle).unwrap();
    let mut bench = Bench::ready(StandInOptions {
        record: Some(record),
        replace_patient: false,
        ..options()
    })
    .await;
    let patient_id = bench.collected("Nora").await;
    let attachments = bench.attachments(&patient_id, "conversionType=json").await;
    let text = bench
        .client
        .get(&attachments[0].1)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for part in [r#""value":1.50"#, r#""caf\u00e9""#, r#""id":"p""#] {
        assert!(text.contains(part), "{part}");
    }
    bench.stop().await;
}
