//! A dead-letter queue and its source queue. SQS shows a message only to a receiver, and then hides it from other
//! receivers for a while. This module therefore makes each message that stays in the queue visible again.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use shared::domain::Time;
use shared::message::dead_letter::{ATTRIBUTE, DeadLetterCause};
use shared::queue::SourceQueue;

use super::Which;

/// Longest time that a dead letter stays hidden if the command is interrupted before it makes the dead letter visible.
const HIDDEN_SECS: i32 = 120;
/// Maximum number of messages in one call.
const BATCH_MAX: i32 = 10;
/// Makes each receive call a long poll, which asks all of SQS's servers. A short poll asks only some of them.
const WAIT_SECS: i32 = 1;
/// Maximum number of dead letters in one pass. The pass must receive all of them before the first is visible again.
const DEAD_LETTERS_MAX: usize = 10_000;

/// A dead letter, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedDeadLetter {
    /// SQS's id of the dead letter.
    pub id: String,
    /// Why the message died.
    pub cause: DeadLetterCause,
    /// When the dead letter was sent. A consumer sends it when it gives the message up. If SQS moved the message, SQS
    /// kept the time at which the message itself was sent.
    pub since: Time,
}

impl ListedDeadLetter {
    /// Creates a dead letter.
    #[must_use]
    pub fn new(id: &str, cause: DeadLetterCause, since: Time) -> Self {
        let id = id.to_owned();
        Self { id, cause, since }
    }

    /// SQS's id of the message that died. SQS keeps the id when it moves a message.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.cause.message_id().unwrap_or(&self.id)
    }

    fn read(message: &Message) -> Option<Self> {
        let attribute = message
            .message_attributes()
            .and_then(|attributes| attributes.get(ATTRIBUTE));
        // An attribute without text is not ours and counts as unreadable. It must not count as absent, because an
        // absent attribute means that SQS moved the message.
        let cause = DeadLetterCause::read(attribute.map(|attribute| attribute.string_value().unwrap_or_default()));
        let sent = message
            .attributes()
            .and_then(|system| system.get(&MessageSystemAttributeName::SentTimestamp));
        let since = sent.and_then(|at| at.parse().ok()).unwrap_or_default();
        Some(Self::new(message.message_id()?, cause, Time::from_millis(since)))
    }
}

/// The dead letters of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetterList {
    /// The dead letters.
    pub dead_letters: Vec<ListedDeadLetter>,
    /// Whether the pass stopped at its maximum, so that the queue may hold more.
    pub more: bool,
}

/// Result of a redrive of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Dead letters that were sent back and deleted, or that would be in a dry run.
    pub sent_back: usize,
    /// Dead letters that stay in the queue.
    pub left: usize,
    /// Whether the pass stopped at its maximum, so that the queue may hold more.
    pub more: bool,
}

/// Whether a dead letter stays in its queue.
enum VisitOutcome {
    Stays,
    Gone,
}

/// A dead-letter queue and its source queue.
pub struct RedriveQueues {
    client: Client,
    source: SourceQueue,
    dead_letter_url: String,
    source_url: String,
}

impl RedriveQueues {
    /// Finds both queues by the names that CloudFormation gives them: stack, logical id and, in AWS, a random suffix.
    ///
    /// # Errors
    /// Fails if SQS does not answer, or if a name does not match exactly one queue.
    pub async fn find(client: &Client, stack: &str, source: SourceQueue) -> Result<Self, String> {
        let (dead_letter_id, source_id) = logical_ids(source);
        Ok(Self {
            client: client.clone(),
            source,
            dead_letter_url: url(client, &format!("{stack}-{dead_letter_id}")).await?,
            source_url: url(client, &format!("{stack}-{source_id}")).await?,
        })
    }

    /// The source queue.
    #[must_use]
    pub const fn source(&self) -> SourceQueue {
        self.source
    }

    /// Lists the dead letters.
    ///
    /// # Errors
    /// Fails if SQS does not answer.
    pub async fn list(&self) -> Result<DeadLetterList, String> {
        let mut dead_letters = Vec::new();
        let more = self
            .visit(async |dead_letter, _| {
                dead_letters.push(dead_letter);
                Ok(VisitOutcome::Stays)
            })
            .await?;
        Ok(DeadLetterList { dead_letters, more })
    }

    /// Sends the selected dead letters back. A message that dies again at once is left for the next redrive.
    ///
    /// # Errors
    /// Fails if SQS does not answer; messages that were sent back before the failure stay sent.
    pub async fn redrive(&self, which: &Which, dry_run: bool) -> Result<Redriven, String> {
        let (mut redriven, mut sent) = (Redriven::default(), BTreeSet::new());
        let looking = self.visit(async |dead_letter, message| {
            if !which.means(&dead_letter) || sent.contains(dead_letter.origin()) {
                redriven.left += 1;
                return Ok(VisitOutcome::Stays);
            }
            redriven.sent_back += 1;
            if dry_run {
                return Ok(VisitOutcome::Stays);
            }
            // Sent before it is deleted, so that a crash in between causes a duplicate and not a loss.
            sent.insert(self.send_back(message).await?);
            self.delete(message).await?;
            Ok(VisitOutcome::Gone)
        });
        let more = looking.await?;
        Ok(Redriven { more, ..redriven })
    }

    /// Calls `look` once for every dead letter, and makes those that stay visible again. Returns whether the pass
    /// stopped at its maximum.
    async fn visit(
        &self,
        mut look: impl AsyncFnMut(ListedDeadLetter, &Message) -> Result<VisitOutcome, String>,
    ) -> Result<bool, String> {
        let mut held = BTreeMap::new();
        let looked = self.look_at_each(&mut held, &mut look).await;
        let given_back = self.give_back(held.into_values().collect()).await;
        let more = looked?;
        given_back?;
        Ok(more)
    }

    async fn look_at_each(
        &self,
        held: &mut BTreeMap<String, String>,
        look: &mut impl AsyncFnMut(ListedDeadLetter, &Message) -> Result<VisitOutcome, String>,
    ) -> Result<bool, String> {
        let mut looked_at = BTreeSet::new();
        loop {
            let mut is_new = false;
            for message in self.receive().await? {
                let (Some(dead_letter), Some(receipt)) = (ListedDeadLetter::read(&message), message.receipt_handle())
                else {
                    continue;
                };
                let id = dead_letter.id.clone();
                // Inserted before `look`, so that the dead letter becomes visible again even if `look` fails.
                held.insert(id.clone(), receipt.to_owned());
                if looked_at.insert(id.clone()) {
                    is_new = true;
                    if matches!(look(dead_letter, &message).await?, VisitOutcome::Gone) {
                        held.remove(&id);
                    }
                }
            }
            // The pass is complete: SQS returned nothing, or only dead letters that became visible again.
            if !is_new {
                return Ok(false);
            }
            if looked_at.len() >= DEAD_LETTERS_MAX {
                return Ok(true);
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        let call = self.client.receive_message().queue_url(&self.dead_letter_url);
        let received = call
            .max_number_of_messages(BATCH_MAX)
            .visibility_timeout(HIDDEN_SECS)
            .wait_time_seconds(WAIT_SECS)
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_attribute_names(ATTRIBUTE)
            .send()
            .await;
        Ok(received
            .map_err(|error| failed("receiving", &error))?
            .messages
            .unwrap_or_default())
    }

    async fn send_back(&self, message: &Message) -> Result<String, String> {
        let call = self.client.send_message().queue_url(&self.source_url);
        let sent = call.message_body(message.body().unwrap_or_default()).send().await;
        let sent = sent.map_err(|error| failed("sending back", &error))?;
        Ok(sent.message_id.unwrap_or_default())
    }

    async fn delete(&self, message: &Message) -> Result<(), String> {
        let call = self.client.delete_message().queue_url(&self.dead_letter_url);
        let deleted = call.set_receipt_handle(message.receipt_handle.clone()).send().await;
        deleted
            .map(drop)
            .map_err(|error| failed("deleting a message that was sent back", &error))
    }

    async fn give_back(&self, receipts: Vec<String>) -> Result<(), String> {
        let mut entries = Vec::new();
        for (index, receipt) in receipts.into_iter().enumerate() {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt)
                .visibility_timeout(0);
            entries.push(entry.build().map_err(|error| error.to_string())?);
        }
        for batch in entries.chunks(usize::try_from(BATCH_MAX).unwrap_or(1)) {
            let call = self
                .client
                .change_message_visibility_batch()
                .queue_url(&self.dead_letter_url);
            let given_back = call.set_entries(Some(batch.to_vec())).send().await;
            given_back.map_err(|error| failed("releasing the checked messages", &error))?;
        }
        Ok(())
    }
}

/// Logical ids of the dead-letter queue and its source queue in the template.
const fn logical_ids(source: SourceQueue) -> (&'static str, &'static str) {
    match source {
        SourceQueue::WebhookEvents => ("WebhookEventsDeadLetters", "WebhookEventsQueue"),
        SourceQueue::RunAdvance => ("RunAdvanceDeadLetters", "RunAdvanceQueue"),
        SourceQueue::RecordFetch => ("RecordFetchDeadLetters", "RecordFetchQueue"),
        SourceQueue::AccountWork => ("AccountWorkDeadLetters", "AccountWorkQueue"),
    }
}

async fn url(client: &Client, name: &str) -> Result<String, String> {
    let listed = client.list_queues().queue_name_prefix(name).send().await;
    let mut urls = listed
        .map_err(|error| failed("listing queues", &error))?
        .queue_urls
        .unwrap_or_default();
    urls.retain(|url| is_named(url, name));
    match (urls.pop(), urls.is_empty()) {
        (Some(url), true) => Ok(url),
        (Some(_), false) => Err(format!("there is more than one queue {name}")),
        (None, _) => Err(format!(
            "there is no queue {name}: are the stack's name and the region right?"
        )),
    }
}

/// Whether a queue has this name, or this name with CloudFormation's random suffix, which has no hyphen.
fn is_named(url: &str, name: &str) -> bool {
    let own = url.rsplit('/').next().unwrap_or_default();
    own.strip_prefix(name)
        .is_some_and(|end| end.is_empty() || end.strip_prefix('-').is_some_and(|random| !random.contains('-')))
}

/// Shows only AWS's error code, because AWS's message may quote the request.
fn failed<E: ProvideErrorMetadata, R>(what: &str, error: &SdkError<E, R>) -> String {
    format!(
        "{what}: {}",
        error.code().unwrap_or("SQS does not answer: is AWS_REGION right?")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queue_is_found_by_name_and_random_suffix() {
        let name = "ias-dev-RunAdvanceQueue";
        for known in [
            "https://sqs.us-east-1.test/1/ias-dev-RunAdvanceQueue",
            "x/ias-dev-RunAdvanceQueue-8KZ1A",
        ] {
            assert!(is_named(known, name), "{known}");
        }
        for other in [
            "x/ias-dev-RunAdvanceQueue2",
            "x/ias-dev-RunAdvanceQueue-copy-8KZ1A",
            "x/ias-RunAdvanceQueue",
        ] {
            assert!(!is_named(other, name), "{other}");
        }
    }
}
