//! Requests, webhooks and transfers that began before an erasure restore nothing.

use aws_sdk_dynamodb::types::AttributeValue;
use sandbox_metriport::{HeldDelivery, Operation, Replay};
use shared::domain::PatientId;
use shared::metriport::{DeletePatient as _, PatientDeletion};

use super::{assert_gone, erase, erase_whole, owner_of, until_erased, until_first_sweep};
use crate::consent::withdrawal::hold::Hold;
use crate::harness::{Person, TestApp, refused, until};
use crate::records::transfers::hurried;

/// Erases the person while a call is held, and lets the call go on when the erasure is finished.
async fn erase_meanwhile(hold: &Hold, app: &TestApp, person: &Person) {
    hold.until_held().await;
    erase_whole(app, person).await;
    hold.release();
}

/// A first link has no item whose version could have changed: only the grant stops it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn link_that_began_before_the_erasure_inserts_nothing() {
    let (hold, app) = Hold::start_hurried().await;
    let nora = app.person("nora", "Jane").await;
    hold.call_of("identity-session", "TransactWriteItems");
    let (linked, ()) = tokio::join!(nora.link(), erase_meanwhile(&hold, &app, &nora));
    refused(&linked, 403, "consent_required", "give_consent");
    let items = app.scan().await;
    assert!(items.iter().all(|item| item["sk"] != "PATIENT"), "{items:?}");
    app.end().await;
}

/// Metriport has deleted the patient, so a change of demographics would create another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn change_that_began_before_the_erasure_creates_no_patient() {
    let (hold, app) = Hold::start_hurried().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let deletion = PatientDeletion {
        patient: PatientId::parse(app.patient_of("nora").await).expect("an id"),
        facility: None,
    };
    let client = app.sandbox().metriport_client().expect("a client");
    client.delete_patient(&deletion).await.expect("the patient is deleted");
    hold.second_call_of("identity-session", "TransactWriteItems");
    let moved = nora.moved();
    let (changed, receipt) = tokio::join!(nora.app.put_patient(&moved), async {
        hold.until_held().await;
        let receipt = erase(&nora).await;
        hold.release();
        receipt
    });
    refused(&changed.expect("an answer"), 403, "consent_required", "give_consent");
    until_erased(&app, &nora, &receipt).await;
    assert_eq!(app.upstream(Operation::CreatePatient), 1, "only the first");
    app.end().await;
}

/// A person with more rows than one transaction deletes and one page of the index lists.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_rows_are_deleted() {
    let app = hurried().await;
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    let owner = owner_of(&app.scan().await, &app.patient_of("nora").await);
    let table = app.aws().dynamodb();
    for number in 0..250 {
        let text = |text: String| AttributeValue::S(text);
        let put = table.put_item().table_name("ias-Table");
        put.item("pk", text(format!("SESSION#ids-{number}")))
            .item("sk", text("OWNER".to_owned()))
            .item("owner", text(owner.clone()))
            .send()
            .await
            .expect("a row");
    }
    erase_whole(&app, &nora).await;
    assert_gone(&app, &owner).await;
    app.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn challenge_that_began_before_the_erasure_inserts_nothing() {
    let (hold, app) = Hold::start_hurried().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.call_of("aal2-challenge", "TransactWriteItems");
    let url = sandbox_machine::sandbox::AAL2_RETURN;
    let (opened, ()) = tokio::join!(nora.app.open_challenge(url), erase_meanwhile(&hold, &app, &nora));
    refused(&opened.expect("an answer"), 403, "consent_required", "give_consent");
    let items = app.scan().await;
    assert!(items.iter().all(|item| item["sk"] != "CHALLENGE"), "{items:?}");
    app.end().await;
}

/// The object of a transfer that began before the erasure appears after the first sweep, and the second sweep finds it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn object_that_arrives_after_the_first_sweep_is_deleted() {
    let (hold, app) = Hold::start_hurried().await;
    let nora = app.person("nora", "Jane").await;
    nora.verify_identity().await;
    hold.call_of("record-fetch", "PutObject");
    let pull = nora.start_from(&["lab"]).await;
    hold.until_held().await;
    let owner = owner_of(&app.scan().await, &app.patient_of("nora").await);
    let receipt = erase(&nora).await;
    until_first_sweep(&app).await;
    hold.release();
    until("the object is stored", async || {
        (!app.objects().await.is_empty()).then_some(())
    })
    .await;
    until_erased(&app, &nora, &receipt).await;
    assert_gone(&app, &owner).await;
    refused(
        &nora.app.get(&format!("/v1/network-queries/{pull}")).await.unwrap(),
        404,
        "not_found",
        "none",
    );
    app.end().await;
}

/// Sends webhooks once more, with their metadata.
async fn deliver_again(app: &TestApp, sent: &[HeldDelivery]) {
    for delivery in sent {
        let replay = Replay { strip_meta_data: false };
        let answer = app.stand_in().deliver_again(&delivery.message_id, replay).await;
        assert_eq!(answer.expect("an answer"), 200, "{}", delivery.event_type);
    }
}

/// A person who is erased again and again, while webhooks from before arrive late and doubled.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_webhooks_of_an_erased_person_bring_nothing_back() {
    let app = hurried().await;
    app.stand_in().hold_webhooks();
    let nora = app.person("nora", "Jane").await;
    assert_eq!(nora.link().await.status, 200);
    nora.pass_identity_page().await;
    let mut held = app.until_held("ias.identity.verified", 1).await;
    app.deliver(&held[0]).await;
    nora.until_identity("verified").await;
    nora.start_from(&["lab"]).await;
    held.extend(app.until_held("network-query.lab", 1).await);
    let owner = owner_of(&app.scan().await, &app.patient_of("nora").await);
    for round in 0..20 {
        let receipt = erase(&nora).await;
        deliver_again(&app, &held).await;
        until_erased(&app, &nora, &receipt).await;
        deliver_again(&app, &held).await;
        app.drain().await;
        assert_gone(&app, &owner).await;
        nora.give_consent().await;
        assert_eq!(nora.link().await.status, 200, "round {round}");
    }
    assert_eq!(nora.identity().await, "not_started");
    app.end().await;
}
