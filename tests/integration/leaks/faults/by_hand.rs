//! Webhooks and messages that a correct sender never sends, and their dead letters.

use sandbox_aws::QueueSpec;
use serde_json::json;

use crate::harness::{QUEUES, TestApp, until};
use crate::leaks::canaries::demographics;

/// A word that only the webhooks and messages of this module contain.
pub(super) const BY_HAND: &str = "CanarySentByHand";

pub(super) async fn send_by_hand(app: &TestApp) {
    let about = format!("{BY_HAND} {}", demographics());
    give_up_after_one_receive(app).await;
    send_odd_webhooks(app, &about).await;
    send_unsigned_webhooks(app, &about).await;
    send_unreadable_messages(app, &about).await;
    assert_dead_letters_are_sent_by_hand(&until_dead(app).await);
}

async fn give_up_after_one_receive(app: &TestApp) {
    for queue in QUEUES {
        let spec = QueueSpec {
            name: queue.to_owned(),
            visibility_timeout_secs: 1,
            delay_secs: 0,
            retention_secs: 345_600,
            redrive: Some((queue.replace("Queue", "DeadLetters"), 1)),
        };
        app.sandbox()
            .aws()
            .create_queue(spec)
            .await
            .expect("the queue's settings");
    }
}

async fn send_odd_webhooks(app: &TestApp, about: &str) {
    let kinds = [
        "patient.admit",
        "network-query.hie",
        "medical.consolidated-data",
        "ias.identity.verified",
    ];
    for (index, kind) in kinds.iter().enumerate() {
        let payloads = [
            json!(about),
            json!({ "patientId": about, "source": about, "proofedIdentityId": [about] }),
        ];
        for (form, payload) in payloads.into_iter().enumerate() {
            // Each webhook has its own id, because a second, different body under one id becomes a dead letter.
            let meta = json!({ "messageId": format!("by-hand-{index}-{form}"), "type": kind });
            let body = json!({ "meta": meta, "payload": payload, "patients": [{ "patientId": about }] });
            assert_eq!(app.send_signed(&body).await, 200);
        }
    }
}

async fn send_unsigned_webhooks(app: &TestApp, about: &str) {
    for signature in [None, Some("CanaryContent"), Some("00")] {
        assert_eq!(app.stand_in().send_raw(about.to_owned(), signature).await, Ok(401));
    }
}

async fn send_unreadable_messages(app: &TestApp, about: &str) {
    let unknown_ids = json!({ "version": 1, "owner": about, "run": BY_HAND }).to_string();
    for queue in QUEUES {
        for body in [about, unknown_ids.as_str()] {
            app.send_message(queue, body).await;
        }
    }
}

/// Waits until the unreadable messages are dead letters; returns all dead letters' bodies.
async fn until_dead(app: &TestApp) -> Vec<String> {
    let queues = app.sandbox().aws().queues();
    until("the unreadable messages are dead letters", async || {
        let dead = QUEUES.iter().map(|queue| queue.replace("Queue", "DeadLetters"));
        let messages = dead.filter_map(|queue| queues.messages(&queue)).flatten();
        let dead: Vec<String> = messages.map(|message| message.body).collect();
        (dead.iter().filter(|body| body.contains(BY_HAND)).count() >= 10).then_some(dead)
    })
    .await
}

/// Checks that only messages of this module became dead letters, and that only identity events are stored whole.
fn assert_dead_letters_are_sent_by_hand(dead: &[String]) {
    let own = dead.iter().find(|body| !body.contains(BY_HAND));
    assert_eq!(own, None, "a message of a function became a dead letter");
    assert!(
        dead.iter()
            .any(|body| body.contains("identityUnclear") && body.contains(BY_HAND)),
        "only an unreadable identity event is stored whole"
    );
    let only_identity_events = dead
        .iter()
        .filter(|body| body.contains("\"kind\":"))
        .all(|body| body.contains("identityUnclear"));
    assert!(
        only_identity_events,
        "a webhook other than an identity event was stored"
    );
}
