//! Odd webhooks that must not become dead letters.

use sandbox_metriport::Operation;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp};
use crate::webhooks::{source, source_event};

/// Starts a pull whose webhooks are held. Returns the ids of the pull, of the patient and of the network query.
async fn held_pull(app: &TestApp, nora: &Person) -> (String, String, String) {
    nora.verify_identity().await;
    app.stand_in().hold_webhooks();
    let id = nora.start().await;
    let request = app.until_held("network-query.", 3).await.remove(0).request_id;
    // The stand-in sends its webhooks before `query-dispatch` has written the start. So the test waits for that write.
    app.drain().await;
    (id, app.patient_of("nora").await, request)
}

fn hours_off(hours: i32) -> String {
    let millis = shared::clock::now().millis() + i64::from(hours) * 3_600_000;
    shared::domain::Time::from_millis(millis).to_string()
}

/// The time in a webhook must not matter, because a replay keeps its old time and clocks differ.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_counts_regardless_of_its_time() {
    for whens in [
        [json!(hours_off(1)), json!(hours_off(-1)), Value::Null],
        [
            json!(hours_off(24 * 365 * 70)),
            json!("yesterday"),
            json!({ "at": [1] }),
        ],
    ] {
        let app = TestApp::start().await;
        let nora = app.person("nora", "Jane").await;
        let (id, patient, request) = held_pull(&app, &nora).await;
        for (name, when) in ["hie", "pharmacy", "lab"].into_iter().zip(&whens) {
            let mut event = source_event(&patient, &request, name, name);
            event["meta"]["when"] = when.clone();
            if when.is_null() {
                event["meta"].as_object_mut().unwrap().remove("when");
            }
            assert_eq!(app.send_signed(&event).await, 200, "{when}");
        }
        app.drain().await;
        for name in ["hie", "pharmacy", "lab"] {
            assert_eq!(source(&nora, &id, name).await, "completed", "{whens:?}");
        }
        assert_eq!(app.stand_in().stats().calls(Operation::ReadNetworkQuery), 0);
        app.stand_in().release_all().await;
        assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
        app.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_without_meta_is_acknowledged_and_changes_nothing() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let (id, patient, request) = held_pull(&app, &nora).await;
    let before = (nora.read_pull(&id).await.body, nora.timeline(&id).await.body);
    let whole = source_event(&patient, &request, "m", "hie");
    for meta in [
        None,
        Some(json!(null)),
        Some(json!([])),
        Some(json!("m")),
        Some(json!({})),
    ] {
        let mut body = whole.clone();
        match &meta {
            Some(meta) => body["meta"] = meta.clone(),
            None => drop(body.as_object_mut().unwrap().remove("meta")),
        }
        assert_eq!(app.send_signed(&body).await, 200, "{meta:?}");
    }
    for raw in ["", "null", "no JSON", "{\"meta\":", "\u{1f4a9}"] {
        let signature = app.stand_in().sign(raw.as_bytes());
        assert_eq!(app.stand_in().send_raw(raw, Some(&signature)).await, Ok(200), "{raw}");
    }
    app.drain().await;
    assert_eq!((nora.read_pull(&id).await.body, nora.timeline(&id).await.body), before);
    app.stand_in().release_all().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    app.end().await;
}

/// The pull is no longer stored. So `webhook-process` has nothing to do, and this is not a failure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhook_about_a_deleted_pull_is_acknowledged_as_gone() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    let (id, patient, request) = held_pull(&app, &nora).await;
    let is_the_pull = |item: &&Value| item["sk"].as_str() == Some(&format!("RUN#{id}"));
    let pull = app.table().await.iter().find(is_the_pull).cloned().expect("the pull");
    let key = serde_dynamo::to_item(json!({ "pk": pull["pk"], "sk": pull["sk"] })).unwrap();
    let deleted = app.aws().dynamodb().delete_item().table_name("ias-Table");
    deleted.set_key(Some(key)).send().await.expect("it is deleted");
    assert_eq!(nora.read_pull(&id).await.status, 404);

    for name in ["hie", "lab"] {
        assert_eq!(
            app.send_signed(&source_event(&patient, &request, name, name)).await,
            200
        );
    }
    app.stand_in().release_all().await;
    app.drain().await;
    let gone = |line: &&String| line.starts_with("webhook-process") && line.contains(r#""outcome":"gone""#);
    // The two webhooks of the test, and the three that the stand-in held.
    assert_eq!(app.log().iter().filter(gone).count(), 5);
    assert!(
        app.table_text().await.contains("REQUEST#"),
        "it was found by its request"
    );
    app.end().await;
}
