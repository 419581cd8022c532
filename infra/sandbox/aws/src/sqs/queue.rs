//! One standard queue as a state machine. Time is an argument, in milliseconds since the Unix epoch.
//!
//! A message is visible, delayed or in flight. The state follows from its [`Hold`] and from the time at which it
//! becomes visible. The queue does not know other queues: it hands dead letters to the caller.

mod saved;
mod settling;

use super::message::Message;
use super::pace::Pace;
use super::receipt::Receipt;
use super::refusal::Refusal;
use super::settings::Settings;
use saved::Saved;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

const PURGE_INTERVAL_MS: u64 = 60_000;

/// The number of messages in a queue, by state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QueueDepths {
    /// Messages that can be received now.
    pub visible: usize,
    /// Messages that were received, and are neither deleted nor visible again.
    pub in_flight: usize,
    /// Messages with a delay that has not passed.
    pub delayed: usize,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "Saved")]
pub(crate) struct Queue {
    pub(crate) settings: Settings,
    pub(crate) created_at_ms: u64,
    pub(crate) modified_at_ms: u64,
    entries: BTreeMap<u64, Entry>,
    /// `(visible_at_ms, number)` of every entry, where `number` is its key in `entries`. The next entry to receive is
    /// the first.
    #[serde(skip_serializing)]
    schedule: BTreeSet<(u64, u64)>,
    #[serde(rename = "places")]
    last_number: u64,
    receives: u64,
    #[serde(skip_serializing)]
    purged_at_ms: Option<u64>,
    #[serde(skip_serializing)]
    pub(crate) pace: Pace,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    message: Message,
    visible_at_ms: u64,
    hold: Hold,
}

/// The reason why an entry is hidden until `visible_at_ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Hold {
    Delay,
    Flight { receive: u64, since_ms: u64 },
}

#[derive(Debug, Default)]
pub(crate) struct Received {
    pub(crate) deliveries: Vec<Delivery>,
    /// Messages that were received too often. They have left this queue, and the caller moves them to the dead-letter
    /// queue.
    pub(crate) dead: Vec<Message>,
}

#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) message: Message,
    pub(crate) receipt: Receipt,
}

impl Queue {
    pub(crate) fn new(settings: Settings, now_ms: u64) -> Queue {
        Queue {
            settings,
            created_at_ms: now_ms,
            modified_at_ms: now_ms,
            entries: BTreeMap::new(),
            schedule: BTreeSet::new(),
            last_number: 0,
            receives: 0,
            purged_at_ms: None,
            pace: Pace::default(),
        }
    }

    /// Accepts a message, which becomes visible after `delay_secs`, or after the queue's own delay.
    pub(crate) fn send(&mut self, message: Message, delay_secs: Option<u32>, now_ms: u64) {
        let delay = delay_secs.unwrap_or(self.settings.delay_secs);
        self.insert(Entry {
            message,
            visible_at_ms: now_ms + self.pace.delay_ms(delay),
            hold: Hold::Delay,
        });
    }

    /// Accepts a dead letter, which is visible at once. It keeps its time of sending, from which its retention counts
    /// (SQS developer guide, "Using dead-letter queues").
    pub(crate) fn accept_dead_letter(&mut self, message: Message, now_ms: u64) {
        self.insert(Entry {
            message,
            visible_at_ms: now_ms,
            hold: Hold::Delay,
        });
    }

    /// Delivers up to `count_max` visible messages and hides them. Messages that were already delivered `receives_max`
    /// times become dead letters instead.
    pub(crate) fn receive(
        &mut self,
        count_max: usize,
        visibility_secs: Option<u32>,
        receives_max: Option<u32>,
        now_ms: u64,
    ) -> Received {
        let visibility_secs = visibility_secs.unwrap_or(self.settings.visibility_secs);
        let visible_at_ms = now_ms + self.pace.visibility_ms(visibility_secs);
        let mut received = Received::default();
        // Messages are removed first and put back later. Otherwise, with a visibility timeout of zero, one receive
        // could deliver a message twice.
        let mut taken = Vec::new();
        while taken.len() < count_max
            && let Some((number, message)) = self.take_next_visible(now_ms)
        {
            if receives_max.is_some_and(|max| message.receive_count >= max) {
                received.dead.push(message);
            } else {
                taken.push((number, message));
            }
        }
        let deliver = |(number, message)| self.deliver(number, message, visible_at_ms, now_ms);
        received.deliveries = taken.into_iter().map(deliver).collect();
        received
    }

    fn deliver(&mut self, number: u64, mut message: Message, visible_at_ms: u64, now_ms: u64) -> Delivery {
        self.receives += 1;
        message.receive_count += 1;
        message.first_received_at_ms.get_or_insert(now_ms);
        let receipt = Receipt {
            number,
            id: message.id,
            receive: self.receives,
        };
        let hold = Hold::Flight {
            receive: self.receives,
            since_ms: now_ms,
        };
        self.insert_at(
            number,
            Entry {
                message: message.clone(),
                visible_at_ms,
                hold,
            },
        );
        Delivery { message, receipt }
    }

    /// Removes all messages. A second purge within a minute is refused; the refusal contains `name`.
    pub(crate) fn purge(&mut self, name: &str, now_ms: u64) -> Result<(), Refusal> {
        if self.purged_at_ms.is_some_and(|last| now_ms < last + PURGE_INTERVAL_MS) {
            return Err(Refusal::PurgeQueueInProgress(name.to_owned()));
        }
        self.purged_at_ms = Some(now_ms);
        self.entries.clear();
        self.schedule.clear();
        Ok(())
    }

    pub(crate) fn depths(&self, now_ms: u64) -> QueueDepths {
        let mut depths = QueueDepths::default();
        for entry in self.entries.values().filter(|entry| !self.is_expired(entry, now_ms)) {
            match entry.hold {
                _ if entry.visible_at_ms <= now_ms => depths.visible += 1,
                Hold::Delay => depths.delayed += 1,
                Hold::Flight { .. } => depths.in_flight += 1,
            }
        }
        depths
    }

    /// Every message that has not expired, in the order of arrival.
    pub(crate) fn messages(&self, now_ms: u64) -> impl Iterator<Item = &Message> {
        self.entries
            .values()
            .filter(move |entry| !self.is_expired(entry, now_ms))
            .map(|entry| &entry.message)
    }

    /// The next time at which a hidden message becomes visible.
    pub(crate) fn next_visible_at_ms(&self, now_ms: u64) -> Option<u64> {
        self.schedule
            .range((now_ms + 1, 0)..)
            .next()
            .map(|(visible_at_ms, _)| *visible_at_ms)
    }

    fn is_expired(&self, entry: &Entry, now_ms: u64) -> bool {
        entry.message.sent_at_ms + millis(self.settings.retention_secs) <= now_ms
    }

    /// Removes and returns the message that has been visible longest. Drops the expired messages that come before it.
    fn take_next_visible(&mut self, now_ms: u64) -> Option<(u64, Message)> {
        loop {
            let (_, number) = *self
                .schedule
                .first()
                .filter(|(visible_at_ms, _)| *visible_at_ms <= now_ms)?;
            let entry = self.remove(number)?;
            if !self.is_expired(&entry, now_ms) {
                return Some((number, entry.message));
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        self.last_number += 1;
        self.insert_at(self.last_number, entry);
    }

    fn insert_at(&mut self, number: u64, entry: Entry) {
        self.schedule.insert((entry.visible_at_ms, number));
        self.entries.insert(number, entry);
    }

    fn remove(&mut self, number: u64) -> Option<Entry> {
        let entry = self.entries.remove(&number)?;
        self.schedule.remove(&(entry.visible_at_ms, number));
        Some(entry)
    }
}

fn millis(secs: u32) -> u64 {
    u64::from(secs) * 1_000
}

#[cfg(test)]
mod tests;
