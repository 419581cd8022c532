//! Keys, routes, limits and quotas, and the bodies of their refusals.

use reqwest::Response;
use sandbox_metriport::{Operation, StandInOptions};
use serde_json::{Value, json};

use crate::bench::{Bench, options, patient_body};

async fn read_answer(answer: Response) -> (u16, String) {
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn gateway_requires_an_api_key_and_then_a_route() {
    let bench = Bench::start(options()).await;
    let forbidden = (403, r#"{"message":"Forbidden"}"#.to_owned());
    let bare = bench.client.get(bench.url("/settings")).send().await.unwrap();
    assert_eq!(read_answer(bare).await, forbidden);
    let wrong = bench
        .client
        .get(bench.url("/settings"))
        .header("x-api-key", "wrong")
        .send()
        .await
        .unwrap();
    assert_eq!(read_answer(wrong).await, forbidden);
    assert_eq!(
        read_answer(bench.client.get(bench.url("/nowhere")).send().await.unwrap()).await,
        forbidden
    );
    let wrong_method = bench.client.delete(bench.url("/settings")).send().await.unwrap();
    assert_eq!(read_answer(wrong_method).await, forbidden);
    let not_found = (404, r#"{"message":"Not Found"}"#.to_owned());
    assert_eq!(read_answer(bench.get("/medical/v1/settings").await).await, not_found);
    assert_eq!(
        read_answer(bench.post("/medical/v1/network/query/x", &json!({})).await).await,
        not_found
    );
    assert_eq!(bench.get("/settings").await.status(), 200);
    let calls = bench.stand_in.calls();
    let rows: Vec<_> = calls
        .iter()
        .map(|call| (call.route, call.status, call.user_agent.as_str()))
        .collect();
    assert_eq!(
        (rows[0], rows[4]),
        (("/settings", Some(403), "bench/1"), ("*", Some(404), "bench/1"))
    );
    bench.stop().await;
}

#[tokio::test]
async fn account_has_at_most_two_api_keys() {
    let bench = Bench::start(options()).await;
    let shown = async |key: &str| {
        let request = bench.client.get(bench.url("/settings")).header("x-api-key", key);
        request.send().await.unwrap().status().as_u16()
    };
    let first = bench.stand_in.api_key().to_owned();
    let second = bench.stand_in.make_api_key().expect("room for a second");
    assert_ne!(first, second);
    assert_eq!(bench.stand_in.make_api_key(), None);
    assert_eq!((shown(&first).await, shown(&second).await), (200, 200));
    assert!(bench.stand_in.revoke_api_key(&first) && !bench.stand_in.revoke_api_key(&first));
    assert_eq!(
        (shown(&first).await, shown(&second).await, shown("").await),
        (403, 200, 403)
    );
    assert!(bench.stand_in.make_api_key().is_some());
    bench.stop().await;
}

#[tokio::test]
async fn errors_have_the_envelope_form() {
    let bench = Bench::start(options()).await;
    let missing = bench
        .get("/medical/v1/patient/0198a0c2-5d11-7c3e-9a40-2b7f61c0d9e4")
        .await;
    assert_eq!(missing.status(), 404);
    let body: Value = missing.json().await.unwrap();
    assert_eq!(
        (&body["status"], &body["name"], &body["title"]),
        (&json!(404), &json!("Not Found"), &json!("PatientNotFoundError"))
    );
    let invalid = bench
        .post_json(&bench.create_patient_path(), &json!({ "firstName": "Nora" }))
        .await;
    assert_eq!(invalid["title"], "Missing or invalid parameters");
    assert!(
        invalid["detail"]
            .as_str()
            .unwrap()
            .contains("Required, on [lastName], Required, on [dob]")
    );
    let broken = bench
        .post_request("/settings", &json!({}))
        .body("{")
        .send()
        .await
        .unwrap();
    assert_eq!(broken.status(), 400);
    bench.stop().await;
}

#[tokio::test]
async fn patients_are_found_updated_and_deleted() {
    let bench = Bench::start(options()).await;
    let id = bench.patient("Nora").await;
    assert_eq!(
        bench
            .get_json("/medical/v1/patient/external-id?externalId=user-48213")
            .await["id"],
        id.as_str()
    );
    let url = bench.url(&format!(
        "/medical/v1/patient/{id}?facilityId={}",
        bench.stand_in.facility_id()
    ));
    let put = |tag: &str| {
        let request = bench.client.put(&url).header("x-api-key", bench.stand_in.api_key());
        request
            .header("if-match", tag.to_owned())
            .json(&patient_body("Norah"))
            .send()
    };
    assert_eq!(put("7").await.unwrap().status(), 412);
    assert_eq!(put("0").await.unwrap().json::<Value>().await.unwrap()["eTag"], "1");
    let deleted = bench
        .client
        .delete(&url)
        .header("x-api-key", bench.stand_in.api_key())
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.status(), 204);
    assert_eq!(bench.get(&format!("/medical/v1/patient/{id}")).await.status(), 404);
    bench.stop().await;
}

#[tokio::test]
async fn facilities_can_be_added() {
    let bench = Bench::start(options()).await;
    let address = json!({ "addressLine1": "1 A St", "city": "Columbus", "state": "OH", "zip": "43215" });
    let body = |npi: &str| json!({ "name": "Second", "npi": npi, "address": address });
    assert_eq!(
        bench.post("/medical/v1/facility", &body("1234567891")).await.status(),
        400
    );
    let made = bench.post("/medical/v1/facility", &body("1234567893")).await;
    assert_eq!(made.status(), 201);
    let made: Value = made.json().await.unwrap();
    let listed = bench.get_json("/medical/v1/facility").await;
    assert_eq!(
        (listed["facilities"].as_array().unwrap().len(), &listed["facilities"][1]),
        (2, &made)
    );
    assert_eq!(
        bench
            .get_json(&format!("/medical/v1/facility/{}", made["id"].as_str().unwrap()))
            .await,
        made
    );
    bench.stop().await;
}

/// At most one window ends during the test, so 31 calls exceed a limit of 15 calls per window.
#[tokio::test]
async fn per_minute_limit_answers_plain_text_as_html() {
    let bench = Bench::start(StandInOptions {
        rate_limits: true,
        ..options()
    })
    .await;
    let mut refused = None;
    for _ in 0..31 {
        let answer = bench.post(&bench.create_patient_path(), &json!({})).await;
        assert_eq!(answer.headers()["ratelimit-limit"], "15");
        if answer.status() == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("no limit");
    let header = |name: &str| refused.headers()[name].to_str().unwrap().to_owned();
    let wait: u32 = header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait) && header("content-type").starts_with("text/html"));
    assert_eq!(
        (header("ratelimit-policy"), header("ratelimit-remaining")),
        ("15;w=60".to_owned(), "0".to_owned())
    );
    assert!(serde_json::from_str::<Value>(&refused.text().await.unwrap()).is_err());
    let stats = bench.stand_in.stats();
    assert_eq!((stats.too_many_requests(), stats.limited()), (1, 1));
    assert!(stats.calls(Operation::CreatePatient) >= 16);
    assert_eq!(bench.get("/settings").await.status(), 200);
    bench.stop().await;
}

#[tokio::test]
async fn daily_quota_is_refused_in_the_gateway_form() {
    let bench = Bench::start(StandInOptions {
        daily_quota: Some(2),
        ..options()
    })
    .await;
    for _ in 0..2 {
        assert_eq!(bench.get("/settings").await.status(), 200);
    }
    assert_eq!(
        read_answer(bench.get("/settings").await).await,
        (429, r#"{"message":"Limit Exceeded"}"#.to_owned())
    );
    bench.stop().await;
}
