//! Tests the queue against its documented behaviour, and with random steps. The queue never loses a message, never
//! delivers a hidden message, and never exceeds the deliveries of its dead-letter policy.

use super::*;
use crate::sqs::settings::VISIBILITY_SECS_MAX;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::HashMap;
use uuid::Uuid;

const NOW: u64 = 1_700_000_000_000;
const SECOND: u64 = 1_000;

fn message(id: u128, sent_at_ms: u64) -> Message {
    Message {
        id: Uuid::from_u128(id),
        body: format!("body {id}"),
        attributes: BTreeMap::new(),
        trace_header: None,
        sender_id: "sender".to_owned(),
        sent_at_ms,
        receive_count: 0,
        first_received_at_ms: None,
        dead_letter_source_arn: None,
    }
}

fn queue_with(count: u128) -> Queue {
    let mut queue = Queue::new(Settings::default(), NOW);
    for id in 0..count {
        queue.send(message(id, NOW), None, NOW);
    }
    queue
}

fn receive_one(queue: &mut Queue, now_ms: u64) -> Option<Delivery> {
    queue.receive(1, None, None, now_ms).deliveries.pop()
}

#[test]
fn received_message_is_hidden_for_its_visibility_timeout() {
    let mut queue = queue_with(1);
    let first = receive_one(&mut queue, NOW).unwrap();
    assert_eq!(
        queue.depths(NOW),
        QueueDepths {
            visible: 0,
            in_flight: 1,
            delayed: 0
        }
    );
    assert!(receive_one(&mut queue, NOW + 30 * SECOND - 1).is_none());
    let second = receive_one(&mut queue, NOW + 30 * SECOND).unwrap();
    assert_eq!((first.message.receive_count, second.message.receive_count), (1, 2));
    assert_eq!(second.message.first_received_at_ms, Some(NOW));
}

#[test]
fn zero_visibility_delivers_once_per_receive() {
    let mut queue = queue_with(1);
    assert_eq!(queue.receive(10, Some(0), None, NOW).deliveries.len(), 1);
    assert_eq!(queue.receive(10, Some(0), None, NOW).deliveries.len(), 1);
}

#[test]
fn message_delay_overrides_the_queue_delay() {
    let mut queue = Queue::new(
        Settings {
            delay_secs: 5,
            ..Settings::default()
        },
        NOW,
    );
    queue.send(message(1, NOW), None, NOW);
    queue.send(message(2, NOW), Some(0), NOW);
    assert_eq!(
        queue.depths(NOW),
        QueueDepths {
            visible: 1,
            in_flight: 0,
            delayed: 1
        }
    );
    assert_eq!(queue.next_visible_at_ms(NOW), Some(NOW + 5 * SECOND));
    assert_eq!(receive_one(&mut queue, NOW).unwrap().message.id, Uuid::from_u128(2));
    assert!(receive_one(&mut queue, NOW).is_none());
    assert_eq!(
        receive_one(&mut queue, NOW + 5 * SECOND).unwrap().message.id,
        Uuid::from_u128(1)
    );
}

#[test]
fn stale_receipt_deletes_nothing() {
    let mut queue = queue_with(1);
    let stale = receive_one(&mut queue, NOW).unwrap();
    let latest = receive_one(&mut queue, NOW + 31 * SECOND).unwrap();
    assert!(!queue.delete(stale.receipt));
    assert!(queue.delete(latest.receipt));
    assert!(!queue.delete(latest.receipt));
}

#[test]
fn deleted_message_is_not_received_again() {
    let mut queue = queue_with(1);
    let delivery = receive_one(&mut queue, NOW).unwrap();
    assert!(queue.delete(delivery.receipt));
    assert!(receive_one(&mut queue, NOW + 60 * SECOND).is_none());
}

#[test]
fn visibility_change_beyond_twelve_hours_is_refused() {
    let mut queue = queue_with(1);
    let first = receive_one(&mut queue, NOW).unwrap();
    assert_eq!(queue.change_visibility(first.receipt, 0, NOW), Ok(()));
    assert_eq!(
        queue.change_visibility(first.receipt, 0, NOW),
        Err(Refusal::MessageNotInflight)
    );
    let second = receive_one(&mut queue, NOW).unwrap();
    assert!(matches!(
        queue.change_visibility(first.receipt, 5, NOW),
        Err(Refusal::InvalidParameterValue(_))
    ));
    assert_eq!(
        queue.change_visibility(second.receipt, VISIBILITY_SECS_MAX, NOW),
        Ok(())
    );
    let beyond = queue.change_visibility(second.receipt, VISIBILITY_SECS_MAX, NOW + SECOND);
    assert!(matches!(beyond, Err(Refusal::InvalidParameterValue(_))));
}

#[test]
fn receive_beyond_the_maximum_makes_a_dead_letter() {
    let mut queue = queue_with(1);
    assert_eq!(queue.receive(1, Some(0), Some(2), NOW).deliveries.len(), 1);
    assert_eq!(queue.receive(1, Some(0), Some(2), NOW).deliveries.len(), 1);
    let third = queue.receive(1, Some(0), Some(2), NOW);
    assert!(third.deliveries.is_empty());
    assert_eq!(third.dead.len(), 1);
    assert_eq!(queue.depths(NOW), QueueDepths::default());
}

#[test]
fn message_expires_after_its_retention() {
    let settings = Settings {
        retention_secs: 60,
        ..Settings::default()
    };
    let mut queue = Queue::new(settings, NOW);
    queue.send(message(1, NOW), None, NOW);
    assert_eq!(queue.depths(NOW + 60 * SECOND), QueueDepths::default());
    assert!(receive_one(&mut queue, NOW + 60 * SECOND).is_none());
}

#[test]
fn second_purge_within_a_minute_is_refused() {
    let mut queue = queue_with(3);
    assert_eq!(queue.purge("q", NOW), Ok(()));
    assert_eq!(queue.depths(NOW), QueueDepths::default());
    assert_eq!(
        queue.purge("q", NOW + 59 * SECOND),
        Err(Refusal::PurgeQueueInProgress("q".to_owned()))
    );
    assert_eq!(queue.purge("q", NOW + 60 * SECOND), Ok(()));
}

#[test]
fn restored_queue_accepts_its_earlier_receipts() {
    let mut queue = queue_with(2);
    let delivery = receive_one(&mut queue, NOW).unwrap();
    let mut read: Queue = serde_json::from_str(&serde_json::to_string(&queue).unwrap()).unwrap();
    assert_eq!(
        read.depths(NOW),
        QueueDepths {
            visible: 1,
            in_flight: 1,
            delayed: 0
        }
    );
    assert!(read.delete(delivery.receipt));
    assert_eq!(read.messages(NOW).count(), 1);
}

#[derive(Debug, Clone)]
enum Step {
    Send { delay_secs: u32 },
    Receive { count: usize, visibility_secs: u32 },
    Delete { of: usize },
    Change { of: usize, visibility_secs: u32 },
    Wait { millis: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u32..5).prop_map(|delay_secs| Step::Send { delay_secs }),
        (1usize..=10, 0u32..5).prop_map(|(count, visibility_secs)| Step::Receive { count, visibility_secs }),
        (0usize..20).prop_map(|of| Step::Delete { of }),
        (0usize..20, 0u32..5).prop_map(|(of, visibility_secs)| Step::Change { of, visibility_secs }),
        (0u64..4_000).prop_map(|millis| Step::Wait { millis }),
    ]
}

const RECEIVES_MAX: u32 = 3;

/// The queue, with a simple model of every message's state.
struct Checked {
    queue: Queue,
    now_ms: u64,
    sent: u128,
    deleted: usize,
    dead: usize,
    /// Every receipt ever issued, oldest first.
    receipts: Vec<Receipt>,
    /// Per message: the time before which it must not be delivered, and its latest receipt.
    held: HashMap<Uuid, (u64, Option<Receipt>)>,
}

impl Checked {
    fn apply(&mut self, step: Step) {
        match step {
            Step::Send { delay_secs } => self.send(delay_secs),
            Step::Receive { count, visibility_secs } => self.receive(count, visibility_secs),
            Step::Delete { of } => self.delete(of),
            Step::Change { of, visibility_secs } => self.change(of, visibility_secs),
            Step::Wait { millis } => self.now_ms += millis,
        }
        let depths = self.queue.depths(self.now_ms);
        let remaining = depths.visible + depths.in_flight + depths.delayed;
        assert_eq!(remaining + self.deleted + self.dead, self.sent as usize);
    }

    fn send(&mut self, delay_secs: u32) {
        self.sent += 1;
        self.queue
            .send(message(self.sent, self.now_ms), Some(delay_secs), self.now_ms);
        self.held
            .insert(Uuid::from_u128(self.sent), (self.now_ms + millis(delay_secs), None));
    }

    fn receive(&mut self, count: usize, visibility_secs: u32) {
        let received = self
            .queue
            .receive(count, Some(visibility_secs), Some(RECEIVES_MAX), self.now_ms);
        assert!(received.deliveries.len() <= count);
        self.dead += received.dead.len();
        for message in received.dead {
            assert_eq!(message.receive_count, RECEIVES_MAX);
            assert!(self.held.remove(&message.id).unwrap().0 <= self.now_ms);
        }
        for Delivery { message, receipt } in received.deliveries {
            assert!(message.receive_count <= RECEIVES_MAX);
            let until_ms = self.now_ms + millis(visibility_secs);
            let held = self.held.insert(message.id, (until_ms, Some(receipt))).unwrap();
            assert!(held.0 <= self.now_ms, "delivered while held back");
            assert!(!self.receipts.contains(&receipt));
            self.receipts.push(receipt);
        }
    }

    fn is_latest(&self, receipt: Receipt) -> bool {
        self.held
            .get(&receipt.id)
            .is_some_and(|(_, latest)| *latest == Some(receipt))
    }

    fn delete(&mut self, of: usize) {
        let Some(receipt) = self.receipts.get(of).copied() else {
            return;
        };
        assert_eq!(self.queue.delete(receipt), self.is_latest(receipt));
        if self.is_latest(receipt) {
            self.held.remove(&receipt.id);
            self.deleted += 1;
        }
    }

    fn change(&mut self, of: usize, visibility_secs: u32) {
        let Some(receipt) = self.receipts.get(of).copied() else {
            return;
        };
        let in_flight = self.is_latest(receipt) && self.held[&receipt.id].0 > self.now_ms;
        let changed = self.queue.change_visibility(receipt, visibility_secs, self.now_ms);
        assert_eq!(changed.is_ok(), in_flight);
        if in_flight {
            self.held
                .insert(receipt.id, (self.now_ms + millis(visibility_secs), Some(receipt)));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 256,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    })]

    #[test]
    fn random_steps_never_lose_or_reveal_a_message(steps in prop::collection::vec(step(), 1..80)) {
        let mut checked = Checked {
            queue: Queue::new(Settings::default(), NOW),
            now_ms: NOW,
            sent: 0,
            deleted: 0,
            dead: 0,
            receipts: Vec::new(),
            held: HashMap::new(),
        };
        for step in steps {
            checked.apply(step);
        }
    }
}
