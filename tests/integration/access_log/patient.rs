//! Entries about the person's patient.

use serde_json::json;

use super::{entries, of_kind};
use crate::harness::TestApp;
use crate::trust::{age_items, stored_patient};

/// The completion sends nothing to Metriport, so it is not an access.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completed_link_of_an_earlier_version_leaves_no_entry() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    age_items(&app).await;
    let before = entries(&app).await;
    assert_eq!(before.len(), 2, "a consent and a link");
    let version = stored_patient(&app).await["version"].as_u64().unwrap();
    assert_eq!(nora.link().await.status, 200);
    let completed = stored_patient(&app).await;
    assert!(completed["folder"].is_string() && completed["link"]["fingerprint"].is_object());
    assert_eq!(completed["version"], version + 1);
    assert_eq!(entries(&app).await, before);
    app.end().await;
}

/// An opt-out changes what Metriport holds, although the demographics stay.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changed_opt_out_leaves_an_entry() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    for (opt_out, changes) in [(true, 1), (true, 1), (false, 2)] {
        let mut body = nora.demographics().clone();
        body["hieOptOut"] = json!(opt_out);
        assert_eq!(nora.app.put_patient(&body).await.unwrap().status, 200);
        assert_eq!(of_kind(&app, "demographics_changed").await.len(), changes, "{opt_out}");
    }
    // Without the field, the opt-out stays.
    assert_eq!(nora.link().await.status, 200);
    assert_eq!(of_kind(&app, "demographics_changed").await.len(), 2);
    app.end().await;
}
