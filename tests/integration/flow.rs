//! The ordinary flow, in detail.

use ias::explain::render_timeline;
use sandbox_machine::sandbox::IDENTITY_RETURN;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::domain::pull::{NewPull, Pull, TimelineEntry};
use shared::domain::{Sources, Timing};

use crate::harness::TestApp;

/// Metriport sends nothing when a person leaves its page, so the API offers a new session at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_identity_page_offers_another_at_once() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let opened = nora
        .app
        .open_identity_session(IDENTITY_RETURN)
        .await
        .expect("an answer");
    let cancel = [("action", "cancel")];
    let back = nora.browser.submit(&opened.text("/sessionUrl"), &cancel).await;
    assert_eq!(back.expect("back in the app").page, IDENTITY_RETURN);
    let identity = nora.app.identity().await.expect("an answer");
    assert_eq!(identity.text("/status"), "pending");
    assert_eq!(identity.text("/next/action"), "wait");
    let offered = json!({ "action": "verify_identity", "method": "POST", "url": "/v1/identity-sessions" });
    assert_eq!(identity.body["next"]["or"], offered);
    nora.pass_identity_page().await;
    nora.until_identity("verified").await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn person_pulls_their_record_twice() {
    let app = TestApp::start().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.identity().await, "not_started");
    nora.verify_identity().await;

    let first = nora.pull().await;
    assert_eq!(first.text("/status"), "completed", "{:?}", first.body);
    assert_eq!(first.text("/purposeOfUse"), "ias");
    // HIE can end before or after the other sources here, so only the final record is certain.
    assert_eq!(
        first.list("/records").last().map(|record| record["phase"].clone()),
        Some(json!("final"))
    );

    let record = nora.final_record(&first).await;
    assert_eq!(record.text("/status"), "available");
    let bytes = nora.download(&record).await;
    assert_eq!(record.text("/sha256"), hex::encode(Sha256::digest(&bytes)));
    assert_eq!(record.number("/bytes"), bytes.len() as u64);
    let bundle: Value = serde_json::from_slice(&bytes).expect("JSON");
    let entries = bundle["entry"].as_array().expect("entries").len() as u64;
    let counts: u64 = record.body["counts"]
        .as_object()
        .expect("counts")
        .values()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(counts, entries);

    // The second pull needs another challenge, but not another identity session.
    let sessions = app
        .stand_in()
        .stats()
        .calls(sandbox_metriport::Operation::CreateIdentitySession);
    let second = nora.pull().await;
    assert_eq!(second.text("/status"), "completed");
    assert_eq!(
        app.stand_in()
            .stats()
            .calls(sandbox_metriport::Operation::CreateIdentitySession),
        sessions
    );
    assert_ne!(first.text("/id"), second.text("/id"));
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_is_fetched_after_hie_and_after_the_pull() {
    let app = TestApp::with(|options| options.stand_in.delays.lab_ms = 1500).await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    let pull = nora.pull().await;
    let records = pull.list("/records");
    assert_eq!(records.len(), 2, "{:?}", pull.body);
    for (reference, phase) in records.iter().zip(["hie", "final"]) {
        assert_eq!(reference["phase"], phase);
        let record = nora.until_record(reference["id"].as_str().unwrap()).await;
        assert_eq!(record.text("/status"), "available");
        assert_eq!(record.text("/networkQuery"), pull.text("/id"));
    }
    let timeline = nora
        .app
        .get(&format!("/v1/network-queries/{}/timeline", pull.text("/id")))
        .await
        .unwrap();
    let codes: Vec<_> = timeline
        .list("/events")
        .iter()
        .filter_map(|event| event["code"].as_str())
        .collect();
    assert_eq!(codes.first(), Some(&"accepted"));
    for code in ["start_claimed", "started", "source_reported", "record_ended"] {
        assert!(codes.contains(&code), "{code} is missing in {codes:?}");
    }
    let lines = render_timeline(&pull.body, &timeline.body);
    assert_eq!(
        lines.len(),
        codes.len() + 2,
        "a line for every event, between what is and what comes next"
    );
    assert!(!lines.iter().any(|line| line.contains("does not know")), "{lines:?}");
    assert_timeline_gives_the_pull_back(&app.table().await, &pull.text("/id"));
    app.end().await;
}

/// Checks that the events of the stored timeline, applied again, give the stored pull.
fn assert_timeline_gives_the_pull_back(table: &[Value], id: &str) {
    let with_key = |prefix: String| {
        let items = table.iter().cloned();
        items.filter(move |item| item["sk"].as_str().is_some_and(|key| key.starts_with(&prefix)))
    };
    let stored: Pull = serde_json::from_value(with_key(format!("RUN#{id}")).next().expect("the pull")).expect("a pull");
    let entries: Vec<TimelineEntry> = with_key(format!("EVENT#{id}#"))
        .map(|item| serde_json::from_value(item).expect("an entry"))
        .collect();
    let new = NewPull {
        id: stored.id,
        patient: stored.patient.clone(),
        grant: stored.grant,
        sources: Sources::pending(stored.sources.kinds()).expect("sources"),
    };
    let accepted = Pull::accept(new, stored.created_at, Timing::default());
    let history = entries
        .iter()
        .filter_map(|entry| Some((entry.event.as_ref()?, entry.at, entry.record)));
    assert_eq!(accepted.replay(history, Timing::default()), stored);
}
