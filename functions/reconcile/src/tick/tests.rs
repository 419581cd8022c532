//! A tick over more items than one tick sends.

use std::sync::{Arc, Mutex};

use serde_json::Value;
use shared::domain::{OwnerId, PullId, Timing};
use shared::message::{Advance, Subject, VERSION};
use shared::queue::QueueError;
use shared::store::StoreError;

use super::*;

const NOW: Time = Time::from_millis(1_800_000_000_000);

/// A due index and a queue.
struct World {
    due: Vec<Due>,
    sent: Mutex<Vec<Advance>>,
}

impl ReadDue for World {
    async fn overdue(&self, _before: Time, _limit: i32) -> Result<Vec<Due>, StoreError> {
        Ok(self.due.clone())
    }
}

impl SendAdvance for World {
    async fn send_advances(&self, advances: &[(Advance, Duration)]) -> Result<(), QueueError> {
        let advances = advances.iter().map(|(advance, _)| advance.clone());
        self.sent.lock().unwrap().extend(advances);
        Ok(())
    }
}

impl Clock for World {
    fn now(&self) -> Time {
        NOW
    }

    fn timing(&self) -> Timing {
        Timing::default()
    }
}

/// An item of a person that has been due for `minutes`.
fn due(person: &str, minutes: u64) -> Due {
    let advance = Advance {
        version: VERSION,
        owner: OwnerId::parse(format!("v1.{person}")).unwrap(),
        subject: Subject::Pull(PullId::parse("0198a0d4-6c70-7d1a-9b02-3f4e5a6b7c8d").unwrap()),
        due_seq: minutes,
    };
    Due {
        advance,
        due_at: NOW.minus(Duration::from_secs(60 * minutes)),
    }
}

/// The messages and the metric lines of a tick.
async fn tick_over(due: Vec<Due>) -> (Vec<Advance>, Vec<Value>) {
    let world = World {
        due,
        sent: Mutex::default(),
    };
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let metrics = Metrics::to("test", move |line| {
        sink.lock().unwrap().push(serde_json::from_str(line).unwrap());
    });
    let sent = tick(&world, &metrics, NOW).await.unwrap();
    let all = world.sent.into_inner().unwrap();
    assert_eq!(all.len(), sent);
    let lines = lines.lock().unwrap().clone();
    (all, lines)
}

fn value(lines: &[Value], name: &str) -> Option<u64> {
    lines.iter().find_map(|line| line[name].as_u64())
}

#[tokio::test(flavor = "current_thread")]
async fn backlog_of_one_person_does_not_delay_other_persons() {
    let mut found: Vec<Due> = (100..1_100).map(|minutes| due("noisy", minutes)).collect();
    found.push(due("quiet", 2));
    let (sent, lines) = tick_over(found).await;
    assert_eq!(sent.len(), SENT_MAX);
    let quiet = OwnerId::parse("v1.quiet").unwrap();
    assert_eq!(sent.iter().filter(|advance| advance.owner == quiet).count(), 1);
    // The oldest work of `noisy` goes first.
    assert_eq!(sent.first().map(|advance| advance.due_seq), Some(1_099));
    assert_eq!(value(&lines, "OverdueItems"), Some(1_001));
    assert_eq!(value(&lines, "OverdueLeft"), Some(201));
}

#[tokio::test(flavor = "current_thread")]
async fn tick_that_sends_every_item_measures_none_left() {
    let (sent, lines) = tick_over(vec![due("quiet", 2), due("calm", 3)]).await;
    assert_eq!((sent.len(), value(&lines, "OverdueItems")), (2, Some(2)));
    assert_eq!(value(&lines, "OverdueLeft"), None);
    assert_eq!(tick_over(Vec::new()).await, (Vec::new(), Vec::new()));
}
