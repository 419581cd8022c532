//! The way back from a dead-letter queue: `StartMessageMoveTask` and `ListMessageMoveTasks`.
//!
//! AWS moves at a rate, over time; here the whole move is done when the call returns. What has moved counts as a new
//! message, with a new id, a new send time and no receives (SQS developer guide, "Configuring a dead-letter queue
//! redrive").

use super::account::Account;
use super::message::Message;
use super::refusal::Refusal;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// How many tasks of one source can be listed.
const LISTED_MAX: usize = 10;
/// How many are remembered, of all sources.
const KEPT_MAX: usize = 100;

/// A redrive that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RedriveTask {
    pub(crate) handle: String,
    pub(crate) source_arn: String,
    pub(crate) destination_arn: Option<String>,
    pub(crate) started_at_ms: u64,
    pub(crate) moved: usize,
}

impl Account {
    /// Moves every visible message of a dead-letter queue to `destination_arn`, or each to the queue it came from.
    /// Messages whose destination is gone stay.
    pub(crate) fn redrive(
        &mut self,
        source_arn: &str,
        destination_arn: Option<&str>,
        now_ms: u64,
        new_id: &mut dyn FnMut() -> Uuid,
    ) -> Result<RedriveTask, Refusal> {
        let source = self.dead_letter_queue(source_arn)?;
        if let Some(arn) = destination_arn {
            self.name_in_arn(arn).ok_or_else(no_such_resource)?;
        }
        let mut moved = 0;
        for message in self.queue_mut(&source)?.take_visible(now_ms) {
            let arn = destination_arn.or(message.dead_letter_source_arn.as_deref());
            match arn.and_then(|arn| self.name_in_arn(arn)) {
                Some(name) => {
                    moved += 1;
                    self.queue_mut(&name)?
                        .send(renewed(message, new_id(), now_ms), Some(0), now_ms);
                }
                None => self.queue_mut(&source)?.accept_dead_letter(message, now_ms),
            }
        }
        let task = RedriveTask {
            handle: new_id().to_string(),
            source_arn: source_arn.to_owned(),
            destination_arn: destination_arn.map(str::to_owned),
            started_at_ms: now_ms,
            moved,
        };
        self.redrives.insert(0, task.clone());
        self.redrives.truncate(KEPT_MAX);
        Ok(task)
    }

    /// The redrives made from a queue, latest first, ten at most.
    pub(crate) fn redrives_from(&self, source_arn: &str) -> Result<Vec<&RedriveTask>, Refusal> {
        self.name_in_arn(source_arn).ok_or_else(no_such_resource)?;
        Ok(self
            .redrives
            .iter()
            .filter(|task| task.source_arn == source_arn)
            .take(LISTED_MAX)
            .collect())
    }

    fn dead_letter_queue(&self, arn: &str) -> Result<String, Refusal> {
        let name = self.name_in_arn(arn).ok_or_else(no_such_resource)?;
        if self.sources_of(&name).next().is_none() {
            let reason = "Source queue must be configured as a Dead Letter Queue.";
            return Err(Refusal::InvalidParameterValue(reason.to_owned()));
        }
        Ok(name)
    }
}

fn no_such_resource() -> Refusal {
    Refusal::ResourceNotFound("The resource that you specified for the SourceArn parameter doesn't exist.".to_owned())
}

fn renewed(message: Message, id: Uuid, now_ms: u64) -> Message {
    Message {
        id,
        sent_at_ms: now_ms,
        receive_count: 0,
        first_received_at_ms: None,
        dead_letter_source_arn: None,
        ..message
    }
}
