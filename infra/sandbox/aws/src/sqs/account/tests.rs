//! What happens between queues.

use super::*;
use crate::sqs::message::Message;
use uuid::Uuid;

const NOW: u64 = 1_700_000_000_000;

fn attributes(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// `work` gives a message up to `dead` after one receive.
fn account() -> Account {
    let mut account = Account::new("eu-central-1");
    account.create_queue("dead", &BTreeMap::new(), NOW).unwrap();
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead","maxReceiveCount":1}"#;
    account
        .create_queue("work", &attributes(&[("RedrivePolicy", policy)]), NOW)
        .unwrap();
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
fn a_message_received_too_often_moves_to_the_dead_letter_queue_and_says_where_from() {
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
fn a_redrive_brings_dead_letters_back_as_new_messages() {
    let mut account = account();
    receive(&mut account, "work");
    receive(&mut account, "work");
    let mut ids = (2..).map(Uuid::from_u128);
    let task = account
        .redrive(&account.arn("dead"), None, NOW + 5, &mut || ids.next().unwrap())
        .unwrap();
    assert_eq!(task.moved, 1);
    let request = ReceiveRequest {
        count_max: 10,
        visibility_secs: None,
    };
    let back = account.receive("work", request, NOW + 5).unwrap().deliveries;
    assert_eq!(
        (back[0].message.id, back[0].message.receive_count),
        (Uuid::from_u128(2), 1)
    );
    assert_eq!(
        (back[0].message.sent_at_ms, &back[0].message.body),
        (NOW + 5, &"poison".to_owned())
    );
    assert_eq!(account.redrives_from(&account.arn("dead")).unwrap(), [&task]);
}

#[test]
fn only_a_dead_letter_queue_can_be_redriven() {
    let mut account = account();
    let arn = account.arn("work");
    let refused = account.redrive(&arn, None, NOW, &mut Uuid::nil);
    assert!(matches!(refused, Err(Refusal::InvalidParameterValue(_))));
    let unknown = account.redrive("arn:aws:sqs:eu-central-1:000000000000:none", None, NOW, &mut Uuid::nil);
    assert!(matches!(unknown, Err(Refusal::ResourceNotFound(_))));
}

#[test]
fn dead_letters_whose_source_is_gone_stay() {
    let mut account = account();
    receive(&mut account, "work");
    receive(&mut account, "work");
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead","maxReceiveCount":1}"#;
    account
        .create_queue("other", &attributes(&[("RedrivePolicy", policy)]), NOW)
        .unwrap();
    account.queues.remove("work");
    let arn = account.arn("dead");
    assert_eq!(account.redrive(&arn, None, NOW, &mut Uuid::nil).unwrap().moved, 0);
    assert_eq!(receive(&mut account, "dead").len(), 1);
}

#[test]
fn creating_a_queue_again_is_fine_with_the_same_attributes_only() {
    let mut account = account();
    assert_eq!(account.create_queue("work", &BTreeMap::new(), NOW), Ok(()));
    assert_eq!(
        account.create_queue("work", &attributes(&[("DelaySeconds", "0")]), NOW),
        Ok(())
    );
    let refused = account.create_queue("work", &attributes(&[("DelaySeconds", "1")]), NOW);
    assert_eq!(refused, Err(Refusal::QueueNameExists("DelaySeconds".to_owned())));
}

#[test]
fn a_dead_letter_queue_must_exist_and_names_are_checked() {
    let mut account = Account::new("eu-central-1");
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:none","maxReceiveCount":1}"#;
    let refused = account.create_queue("work", &attributes(&[("RedrivePolicy", policy)]), NOW);
    assert!(matches!(refused, Err(Refusal::InvalidParameterValue(_))));
    for name in ["", "orders.fifo", &"x".repeat(81)] {
        assert!(account.create_queue(name, &BTreeMap::new(), NOW).is_err());
    }
}
