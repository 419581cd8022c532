//! All queues of the account, and the moves of dead letters between them. Pure, like the queue: time and ids are
//! arguments.

use super::pace::Pace;
use super::queue::{Delivery, Queue};
use super::refusal::Refusal;
use super::settings::Settings;
use crate::ACCOUNT_ID;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const NAME_CHARS_MAX: usize = 80;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Account {
    pub(crate) region: String,
    pub(crate) queues: BTreeMap<String, Queue>,
    /// Set at each start of the process, so it is not saved with the account.
    #[serde(skip)]
    pace: Pace,
}

/// The parameters of a receive, within SQS's limits.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReceiveRequest {
    pub(crate) count_max: usize,
    pub(crate) visibility_secs: Option<u32>,
}

#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) deliveries: Vec<Delivery>,
    /// Whether any queue changed. A receive that changes no queue does not wake waiting receivers.
    pub(crate) changed: bool,
    /// When to look for messages again, if no message arrives earlier.
    pub(crate) look_again_at_ms: Option<u64>,
}

impl Account {
    pub(crate) fn new(region: &str) -> Account {
        Account {
            region: region.to_owned(),
            queues: BTreeMap::new(),
            pace: Pace::default(),
        }
    }

    /// Divides all later delays and visibility timeouts by `scale`.
    pub(crate) fn set_time_scale(&mut self, scale: u32) {
        self.pace = Pace::scaled(scale);
        self.queues.values_mut().for_each(|queue| queue.pace = self.pace);
    }

    pub(crate) fn queue(&self, name: &str) -> Result<&Queue, Refusal> {
        self.queues.get(name).ok_or(Refusal::QueueDoesNotExist)
    }

    pub(crate) fn queue_mut(&mut self, name: &str) -> Result<&mut Queue, Refusal> {
        self.queues.get_mut(name).ok_or(Refusal::QueueDoesNotExist)
    }

    pub(crate) fn arn(&self, name: &str) -> String {
        format!("arn:aws:sqs:{}:{ACCOUNT_ID}:{name}", self.region)
    }

    /// The name of the queue with this ARN, if the account has the queue.
    pub(crate) fn name_in_arn(&self, arn: &str) -> Option<String> {
        let name = arn.rsplit(':').next()?;
        (self.arn(name) == arn && self.queues.contains_key(name)).then(|| name.to_owned())
    }

    /// Creates the queue, or gives an existing queue these settings.
    pub(crate) fn put_queue(&mut self, name: &str, settings: Settings, now_ms: u64) -> Result<(), Refusal> {
        check_name(name)?;
        settings.check()?;
        self.check_dead_letter_queue(&settings)?;
        if let Some(queue) = self.queues.get_mut(name) {
            queue.settings = settings;
            queue.modified_at_ms = now_ms;
            return Ok(());
        }
        let mut queue = Queue::new(settings, now_ms);
        queue.pace = self.pace;
        self.queues.insert(name.to_owned(), queue);
        Ok(())
    }

    fn check_dead_letter_queue(&self, settings: &Settings) -> Result<(), Refusal> {
        let missing = settings
            .redrive
            .as_ref()
            .filter(|redrive| self.name_in_arn(&redrive.target_arn).is_none());
        match missing {
            None => Ok(()),
            Some(redrive) => Err(Refusal::InvalidParameterValue(format!(
                "Value {} for parameter RedrivePolicy is invalid. Reason: Dead letter target does not exist.",
                redrive.target_arn
            ))),
        }
    }

    /// Receives messages from a queue. A message that has reached the maximum of receives moves to the queue's
    /// dead-letter queue, or is delivered again if the queue has none.
    pub(crate) fn receive(&mut self, name: &str, request: ReceiveRequest, now_ms: u64) -> Result<Found, Refusal> {
        let redrive = self.queue(name)?.settings.redrive.clone();
        let dead_letter_queue = redrive
            .as_ref()
            .and_then(|redrive| self.name_in_arn(&redrive.target_arn));
        let receives_max = redrive
            .filter(|_| dead_letter_queue.is_some())
            .map(|redrive| redrive.max_receive_count);
        let ReceiveRequest {
            count_max,
            visibility_secs,
        } = request;
        let source_arn = self.arn(name);
        let received = self
            .queue_mut(name)?
            .receive(count_max, visibility_secs, receives_max, now_ms);
        let changed = !received.deliveries.is_empty() || !received.dead.is_empty();
        if let Some(target) = dead_letter_queue {
            let target = self.queue_mut(&target)?;
            for mut message in received.dead {
                message.dead_letter_source_arn = Some(source_arn.clone());
                target.accept_dead_letter(message, now_ms);
            }
        }
        let look_again_at_ms = self.queue(name)?.next_visible_at_ms(now_ms);
        Ok(Found {
            deliveries: received.deliveries,
            changed,
            look_again_at_ms,
        })
    }
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let named_well = (1..=NAME_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if named_well {
        return Ok(());
    }
    Err(Refusal::InvalidParameterValue(
        "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length".to_owned(),
    ))
}

#[cfg(test)]
mod tests;
