//! The queues: messages wait, are delivered and redelivered, and become dead letters.

use std::time::Duration;

use serde::Serialize;
use shared::domain::Time;

use super::{TASKS_MAX, World, round};
use crate::functions::Job;
use crate::io::Body;
use crate::words;

/// Maximum number of deliveries of a message before it becomes a dead letter.
const RECEIVES_MAX: u8 = 5;

#[derive(Debug, Clone, Serialize)]
pub(crate) struct Message {
    #[serde(skip)]
    pub(crate) number: u32,
    pub(crate) body: Body,
    pub(crate) visible_at: Time,
    pub(crate) receives: u8,
}

impl Body {
    const fn visibility_secs(&self) -> u64 {
        match self {
            Self::Advance(_) => 360,
            Self::Fetch(_) | Self::AccountWork(_) => 5400,
            Self::Webhook(_) => 120,
        }
    }
}

impl World {
    pub(super) fn enqueue(&mut self, body: Body, delay: Duration) {
        self.numbers.messages += 1;
        let seconds = u64::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        self.messages.push(Message {
            number: self.numbers.messages,
            body,
            visible_at: self.now.plus(Duration::from_secs(seconds)),
            receives: 0,
        });
    }

    pub(crate) fn visible(&self) -> Vec<usize> {
        let messages = self.messages.iter().enumerate();
        messages
            .filter(|(_, message)| message.visible_at <= self.now)
            .map(|(index, _)| index)
            .collect()
    }

    pub(super) fn receive(&mut self, at: u8) -> bool {
        let visible = self.visible();
        let picked = round(at, visible.len()).and_then(|at| visible.get(at).copied());
        let Some(index) = picked.filter(|_| self.tasks.len() < TASKS_MAX) else {
            return false;
        };
        if at > 0 && visible.len() > 1 {
            self.count("message out of order");
        }
        self.deliver_message(index)
    }

    pub(crate) fn deliver_message(&mut self, index: usize) -> bool {
        let now = self.now;
        let Some(message) = self.messages.get_mut(index) else {
            return false;
        };
        if message.receives >= RECEIVES_MAX {
            let message = self.messages.remove(index);
            self.count("dead letter");
            if let Body::Webhook(event) = message.body {
                self.facts.dead.insert(event.message);
            }
            return true;
        }
        message.receives += 1;
        message.visible_at = now.plus(Duration::from_secs(message.body.visibility_secs()));
        let (number, body) = (message.number, message.body.clone());
        self.count("message delivered");
        let job = match body {
            Body::Advance(advance) => Job::Advance(advance),
            Body::Fetch(fetch) => Job::Fetch(fetch),
            Body::Webhook(event) => Job::Process(event),
            Body::AccountWork(work) => Job::AccountWork(work),
        };
        self.spawn(job, Some(number))
    }

    pub(super) fn copy(&mut self, at: u8) -> bool {
        let Some(copied) = round(at, self.messages.len()).and_then(|index| self.messages.get(index).cloned()) else {
            return false;
        };
        self.count("message duplicated");
        self.say(|| format!("a queue doubles a message: {}", words::body(&copied.body)));
        self.numbers.messages += 1;
        self.messages.push(Message {
            number: self.numbers.messages,
            visible_at: self.now,
            receives: 0,
            ..copied
        });
        true
    }
}
