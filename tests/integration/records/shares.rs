//! One person's share of records and links: at most three unfinished records, and a limited number of links.

use sandbox_metriport::Operation;
use serde_json::{Value, json};

use crate::harness::{Person, TestApp, refused, retry_after, until};

/// A request for a record: JSON with these types of resources, or PDF if the list is empty. Without a pull, the record
/// has no data.
fn form(types: &[&str]) -> Value {
    match types {
        [] => json!({ "conversionType": "pdf" }),
        types => json!({ "conversionType": "json", "resources": types }),
    }
}

async fn verified(app: &TestApp, subject: &str) -> Person {
    let person = app.person(subject, "Jane").await;
    person.verify_identity().await;
    person
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fourth_record_is_refused_until_one_of_three_has_ended() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let (nora, mira) = (verified(&app, "nora").await, verified(&app, "mira").await);
    app.stand_in().hold_webhooks();
    let mut ids = Vec::new();
    for types in [&["Condition"][..], &["Observation"], &["Procedure"]] {
        ids.push(nora.ask_record(&form(types)).await);
    }
    let listed = nora.records().await.list("/records").len();
    let fourth = nora.app.ask_record(&form(&[])).await.unwrap();
    refused(&fourth, 429, "too_many_open", "retry");
    assert!(retry_after(&fourth) > 0);
    // An equal request gets the unfinished record, and does not count as a fourth.
    let equal = nora
        .app
        .ask_record(&form(&["Observation", "Observation"]))
        .await
        .unwrap();
    assert_eq!((equal.status, equal.text("/id")), (202, ids[1].clone()));
    assert_eq!(nora.records().await.list("/records").len(), listed);
    mira.ask_record(&form(&[])).await;
    app.until_metric("ShareRefusals", &[("Share", "open")], 1).await;

    app.until_held("medical.consolidated-data", 1).await;
    app.stand_in().release_all().await;
    until("one of the three has ended", async || {
        let ended = nora.app.ask_record(&form(&[])).await.unwrap();
        (ended.status == 202).then_some(())
    })
    .await;
    for id in &ids {
        assert_eq!(nora.until_record(id).await.text("/status"), "empty");
    }
    // A request after the record's end makes a new record.
    let anew = nora.ask_record(&form(&["Condition"])).await;
    assert_ne!(anew, ids[0]);
    assert_eq!(nora.until_record(&anew).await.text("/status"), "empty");
    app.end().await;
}

/// The patient's first record holds the lock. The second record waits for the lock, and must not hold a place that
/// other persons need.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn record_waiting_for_its_patient_does_not_hold_a_place() {
    let app = TestApp::with(|options| options.time_scale = 20).await;
    let nora = verified(&app, "nora").await;
    app.stand_in().hold_webhooks();
    let first = nora.ask_record(&form(&["Condition"])).await;
    app.until_held("medical.consolidated-data", 1).await;
    let second = nora.ask_record(&form(&["Observation"])).await;
    until("the second has found the patient busy", async || {
        let log = app.log();
        let looks = log
            .iter()
            .filter(|line| line.contains(&second) && line.contains("Waiting"));
        (looks.count() >= 3).then_some(())
    })
    .await;
    let budget = app.budget("consolidated").await;
    let places = budget.keys().filter(|name| name.starts_with("place"));
    assert_eq!(places.count(), 1, "{budget:?}");
    assert!(
        !budget.contains_key("next"),
        "a start of a record is planned: {budget:?}"
    );
    app.stand_in().release_all().await;
    for id in [first, second] {
        assert_eq!(nora.until_record(&id).await.text("/status"), "empty");
    }
    assert_eq!(app.upstream(Operation::StartConsolidatedQuery), 2);
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn links_of_one_person_are_limited_without_affecting_others() {
    let app = TestApp::start().await;
    let (nora, mira) = (verified(&app, "nora").await, verified(&app, "mira").await);
    let pull = nora.pull_hie().await;
    let theirs = mira.pull_hie().await;
    let mut minted = 0;
    let beyond = loop {
        let look = nora.final_record(&pull).await;
        if look.status != 200 {
            break look;
        }
        minted += 1;
        assert!(look.body.get("link").is_some() && minted < 300, "{minted} links");
    };
    refused(&beyond, 429, "too_many_requests", "retry");
    assert!(
        minted >= 30 && (1..=2).contains(&retry_after(&beyond)),
        "{minted} links"
    );
    // Requests that mint no link still succeed, and another person still gets links.
    assert_eq!(nora.records().await.status, 200);
    assert!(mira.final_record(&theirs).await.body.get("link").is_some());
    let again = until("there is a link again", async || {
        let look = nora.final_record(&pull).await;
        (look.status == 200).then_some(look)
    })
    .await;
    assert!(!nora.download(&again).await.is_empty());
    app.end().await;
}
