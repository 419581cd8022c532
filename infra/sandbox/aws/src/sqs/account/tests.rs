//! Tests of several queues together.

use super::*;
use crate::sqs::message::Message;
use crate::sqs::settings::Redrive;
use uuid::Uuid;

const NOW: u64 = 1_700_000_000_000;

/// Settings of a queue whose messages move to the queue `name` after one receive.
fn giving_up_to(name: &str) -> Settings {
    Settings {
        redrive: Some(Redrive {
            target_arn: format!("arn:aws:sqs:eu-central-1:000000000000:{name}"),
            max_receive_count: 1,
        }),
        ..Settings::default()
    }
}

/// The queue `work` holds one message, which moves to the queue `dead` after one receive.
fn account() -> Account {
    let mut account = Account::new("eu-central-1");
    account.put_queue("dead", Settings::default(), NOW).unwrap();
    account.put_queue("work", giving_up_to("dead"), NOW).unwrap();
    let message = Message {
        id: Uuid::from_u128(1),
        body: "poison".to_owned(),
        attributes: BTreeMap::new(),
        trace_header: None,
        sender_id: "sender".to_owned(),
        sent_at_ms: NOW,
        receive_count: 0,
        first_received_at_ms: None,
        dead_letter_source_arn: None,
    };
    account.queue_mut("work").unwrap().send(message, None, NOW);
    account
}

fn receive(account: &mut Account, name: &str) -> Vec<Message> {
    let request = ReceiveRequest {
        count_max: 10,
        visibility_secs: Some(0),
    };
    let found = account.receive(name, request, NOW).unwrap();
    found.deliveries.into_iter().map(|delivery| delivery.message).collect()
}

#[test]
fn dead_letter_names_its_source_queue() {
    let mut account = account();
    assert_eq!(receive(&mut account, "work").len(), 1);
    assert!(receive(&mut account, "work").is_empty());
    let dead = receive(&mut account, "dead");
    assert_eq!(
        dead[0].dead_letter_source_arn.as_deref(),
        Some("arn:aws:sqs:eu-central-1:000000000000:work")
    );
    assert_eq!((dead[0].id, dead[0].sent_at_ms), (Uuid::from_u128(1), NOW));
}

#[test]
fn second_creation_changes_settings_and_keeps_messages() {
    let mut account = account();
    assert_eq!(account.put_queue("work", Settings::default(), NOW + 1), Ok(()));
    let queue = account.queue("work").unwrap();
    assert_eq!((&queue.settings, queue.modified_at_ms), (&Settings::default(), NOW + 1));
    assert_eq!(receive(&mut account, "work").len(), 1);
}

#[test]
fn missing_dead_letter_queue_or_bad_name_is_refused() {
    let mut account = Account::new("eu-central-1");
    let refused = account.put_queue("work", giving_up_to("none"), NOW);
    assert!(matches!(refused, Err(Refusal::InvalidParameterValue(_))));
    for name in ["", "orders.fifo", &"x".repeat(81)] {
        assert!(account.put_queue(name, Settings::default(), NOW).is_err());
    }
}
