//! Webhooks in every shape that Metriport may give them. Each has the usual effect.

use sandbox_metriport::{Operation, Persona, Replay, Variant, Variants};

use serde_json::json;

use super::{calls, source};
use crate::harness::{Person, TestApp, until};

/// Pulls once with this variant; returns the record's status and the number of consolidated queries.
async fn pull(app: &TestApp, person: &Person, variant: Variant) -> (String, u64) {
    let before = calls(app, Operation::StartConsolidatedQuery);
    app.stand_in().vary(Variants::Always(vec![variant]));
    let id = person.start_from(&["lab"]).await;
    let ended = person.until_ended(&id).await;
    assert_eq!(ended.text("/status"), "completed", "{variant:?}");
    assert_eq!(source(person, &id, "lab").await, "completed", "{variant:?}");
    app.drain().await;
    let record = person.final_record(&ended).await;
    (
        record.text("/status"),
        calls(app, Operation::StartConsolidatedQuery) - before,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_of_every_shape_is_accepted_at_once() {
    let app = TestApp::with(|options| options.person_shares = false).await;
    let nora = app.person("nora", Persona::Ordinary.first_name()).await;
    nora.verify_identity().await;
    for variant in [
        Variant::NullFilters,
        Variant::NoFilters,
        Variant::FewFilters,
        Variant::SkippedSource,
        Variant::OddValue,
        Variant::TestEvents,
        Variant::ForeignQuery,
        Variant::PaddedGzip,
    ] {
        let pulled = pull(&app, &nora, variant).await;
        assert_eq!(pulled, ("available".to_owned(), 1), "{variant:?}");
    }
    until("the test events are acknowledged", async || {
        let sent = app.stand_in().deliveries();
        let tests = sent.iter().filter(|sent| sent.event_type.starts_with("patient."));
        (tests.filter(|sent| sent.status == Some(200)).count() == 3).then_some(())
    })
    .await;
    app.drain().await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delivery_without_data_makes_an_empty_record() {
    let app = TestApp::start().await;
    let chris = app.person("chris", Persona::NoData.first_name()).await;
    chris.verify_identity().await;
    for variant in [Variant::NullEntry, Variant::NoEntry] {
        assert_eq!(
            pull(&app, &chris, variant).await,
            ("empty".to_owned(), 1),
            "{variant:?}"
        );
    }
    app.end().await;
}

/// Each source fails once, and Metriport's status shows a retry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_and_retried_sources_complete() {
    let app = TestApp::start().await;
    let nora = app.person("nora", Persona::Ordinary.first_name()).await;
    nora.verify_identity().await;
    app.stand_in().vary(Variants::Always(vec![Variant::RetriedSource]));
    let id = nora.start().await;
    assert_eq!(nora.until_ended(&id).await.text("/status"), "completed");
    for name in ["hie", "pharmacy", "lab"] {
        assert_eq!(source(&nora, &id, name).await, "completed", "{name}");
    }
    let sent = app.stand_in().deliveries();
    let ends = sent.iter().filter(|sent| sent.event_type.starts_with("network-query."));
    assert_eq!(ends.count(), 6, "each source ended twice");
    app.end().await;
}

/// A replay lacks our mark, so the ids in the event must lead to the person.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_event_of_every_shape_binds_without_our_mark() {
    let app = TestApp::start().await;
    app.stand_in().hold_webhooks();
    for (number, variant) in [
        Variant::OddValue,
        Variant::IdsUnderPatients,
        Variant::IdsUnderPatient,
        Variant::ForeignSession,
    ]
    .into_iter()
    .enumerate()
    {
        app.stand_in().vary(Variants::Always(vec![variant]));
        let person = app
            .person(&format!("user-{number}"), Persona::Ordinary.first_name())
            .await;
        assert_eq!(person.link().await.status, 200);
        person.pass_identity_page().await;
        let held = app.until_held("ias.identity.verified", 1).await.remove(0);
        app.stand_in().drop_held(&[held.index]);
        let replay = Replay { strip_meta_data: true };
        let sent = app.stand_in().deliver_again(&held.message_id, replay).await;
        assert_eq!(sent, Ok(200), "{variant:?}");
        person.until_identity("verified").await;
    }
    app.end().await;
}

/// The event has the mark of one session, and the id of another session.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn identity_event_with_mismatched_mark_never_binds() {
    let app = TestApp::start().await;
    app.stand_in().hold_webhooks();
    let nora = app.person("nora", Persona::Ordinary.first_name()).await;
    assert_eq!(nora.link().await.status, 200);
    nora.pass_identity_page().await;
    app.until_held("ias.identity.verified", 1).await;
    let (table, patient) = (app.table().await, app.patient_of("nora").await);
    let mark = table.iter().find_map(|item| item["pk"].as_str()?.strip_prefix("MARK#"));
    let event = json!({
        "meta": { "messageId": "m", "type": "ias.identity.verified", "data": { "identityMark": mark.unwrap() } },
        "payload": { "patientId": patient, "sessionId": "ids_another", "proofedIdentityId": "pid_1" },
    });
    assert_eq!(app.send_signed(&event).await, 200);
    app.drain().await;
    assert_eq!((nora.identity().await, app.dead_letters()), ("pending".to_owned(), 1));
    app.stand_in().release_all().await;
    nora.until_identity("verified").await;
    app.stop().await;
}
