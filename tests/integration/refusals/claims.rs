//! Bound demographics, which must agree with claims of the person's token.

use serde_json::json;

use crate::harness::{TestApp, refused};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_demographics_must_agree_with_the_token() {
    let app = TestApp::with(|options| {
        let rules = "firstName=given_name,dob=birthdate";
        options
            .extra_env
            .push(("DEMOGRAPHICS_CLAIMS".to_owned(), rules.to_owned()));
    })
    .await;
    let nora = app.person("nora", "Jane").await;
    let dob = &nora.demographics()["dob"];
    let before = app.snapshot().await;
    for claims in [
        json!({}),
        json!({ "given_name": "Jane" }),
        json!({ "given_name": "Janet", "birthdate": dob }),
        json!({ "given_name": "Jane", "birthdate": "1901-01-01" }),
        json!({ "given_name": "", "birthdate": dob }),
    ] {
        let answer = app
            .app_with("nora", &claims)
            .put_patient(nora.demographics())
            .await
            .unwrap();
        refused(&answer, 403, "demographics_mismatch", "fix_request");
        assert!(!answer.body.to_string().contains("Jane"), "{:?}", answer.body);
    }
    assert_eq!(app.snapshot().await, before);
    let tied = app.app_with("nora", &json!({ "given_name": " jane ", "birthdate": dob }));
    assert_eq!(tied.put_patient(nora.demographics()).await.unwrap().status, 200);
    app.end().await;
}
