//! Entries about the person's patient.

use super::entries;
use crate::harness::TestApp;
use crate::trust::{age_items, stored_patient};

/// The completion sends nothing to Metriport, so it is not an access.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completed_link_of_an_earlier_version_leaves_no_entry() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane");
    assert_eq!(nora.link().await.status, 200);
    age_items(&app).await;
    let before = entries(&app).await;
    assert_eq!(before.len(), 1);
    let version = stored_patient(&app).await["version"].as_u64().unwrap();
    assert_eq!(nora.link().await.status, 200);
    let completed = stored_patient(&app).await;
    assert!(completed["folder"].is_string() && completed["link"]["fingerprint"].is_object());
    assert_eq!(completed["version"], version + 1);
    assert_eq!(entries(&app).await, before);
    app.end().await;
}
