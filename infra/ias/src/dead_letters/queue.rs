//! A dead-letter queue and its source queue. SQS shows a message only by receiving it, which hides it from others for a
//! while. This module therefore gives each message back.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, Message, MessageSystemAttributeName};
use shared::domain::Time;
use shared::message::dead_letter::{ATTRIBUTE, Died};
use shared::queue::Source;

use super::Which;

/// Longest time that a dead letter stays hidden if the command ends before it gives the letter back.
const HIDDEN_SECS: i32 = 120;
/// Most messages in one call.
const BATCH_MAX: i32 = 10;
/// A long poll asks all of SQS's servers, a short poll only some of them.
const WAIT_SECS: i32 = 1;
/// Most dead letters that one pass reads. It must receive them all before the first one is visible again.
const LETTERS_MAX: usize = 10_000;

/// A dead letter, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// SQS's id of the dead letter.
    pub id: String,
    /// Why the message died.
    pub died: Died,
    /// When the dead letter was sent. If its consumer gave the message up, this is when it died. If SQS moved the
    /// message, this is when the message itself was sent.
    pub since: Time,
}

impl Letter {
    /// Creates a dead letter.
    #[must_use]
    pub fn new(id: &str, died: Died, since: Time) -> Self {
        let id = id.to_owned();
        Self { id, died, since }
    }

    /// SQS's id of the message that died. SQS keeps the id when it moves a message.
    #[must_use]
    pub fn origin(&self) -> &str {
        self.died.message_id().unwrap_or(&self.id)
    }

    fn read(message: &Message) -> Option<Self> {
        let said = message
            .message_attributes()
            .and_then(|attributes| attributes.get(ATTRIBUTE));
        // An attribute without text is not ours, and must not count as missing.
        let died = Died::read(said.map(|said| said.string_value().unwrap_or_default()));
        let sent = message
            .attributes()
            .and_then(|system| system.get(&MessageSystemAttributeName::SentTimestamp));
        let since = sent.and_then(|at| at.parse().ok()).unwrap_or_default();
        Some(Self::new(message.message_id()?, died, Time::from_millis(since)))
    }
}

/// The dead letters of a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The dead letters.
    pub letters: Vec<Letter>,
    /// Whether the queue has more than the pass read.
    pub more: bool,
}

/// Result of a redrive of a queue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Redriven {
    /// Number that was sent back and deleted, or would be.
    pub sent_back: usize,
    /// Number that was left in the queue.
    pub left: usize,
    /// Whether the queue has more than the pass read.
    pub more: bool,
}

/// Whether a dead letter stays in its queue.
enum Fate {
    Stays,
    Gone,
}

/// A dead-letter queue and its source queue.
pub struct LetterQueue {
    client: Client,
    source: Source,
    letters: String,
    alive: String,
}

impl LetterQueue {
    /// Finds both queues by the names that CloudFormation gives them: stack, logical id and, in AWS, a random suffix.
    ///
    /// # Errors
    /// Fails if SQS does not answer, or if a name does not match exactly one queue.
    pub async fn find(client: &Client, stack: &str, source: Source) -> Result<Self, String> {
        let (letters, alive) = logical_ids(source);
        Ok(Self {
            client: client.clone(),
            source,
            letters: url(client, &format!("{stack}-{letters}")).await?,
            alive: url(client, &format!("{stack}-{alive}")).await?,
        })
    }

    /// The source queue.
    #[must_use]
    pub const fn source(&self) -> Source {
        self.source
    }

    /// Lists the dead letters.
    ///
    /// # Errors
    /// Fails if SQS does not answer.
    pub async fn list(&self) -> Result<Seen, String> {
        let mut letters = Vec::new();
        let more = self
            .visit(async |letter, _| {
                letters.push(letter);
                Ok(Fate::Stays)
            })
            .await?;
        Ok(Seen { letters, more })
    }

    /// Sends the selected dead letters back. A message that dies again at once is left for the next redrive.
    ///
    /// # Errors
    /// Fails if SQS does not answer; messages that were sent back before the failure stay sent.
    pub async fn redrive(&self, which: &Which, dry_run: bool) -> Result<Redriven, String> {
        let (mut redriven, mut sent) = (Redriven::default(), BTreeSet::new());
        let looking = self.visit(async |letter, message| {
            if !which.means(&letter) || sent.contains(letter.origin()) {
                redriven.left += 1;
                return Ok(Fate::Stays);
            }
            redriven.sent_back += 1;
            if dry_run {
                return Ok(Fate::Stays);
            }
            // Sent before it is deleted, so that a crash in between sends it twice instead of losing it.
            sent.insert(self.send_back(message).await?);
            self.delete(message).await?;
            Ok(Fate::Gone)
        });
        let more = looking.await?;
        Ok(Redriven { more, ..redriven })
    }

    /// Receives every dead letter once and gives back those that stay. Returns whether the queue has more.
    async fn visit(&self, mut look: impl AsyncFnMut(Letter, &Message) -> Result<Fate, String>) -> Result<bool, String> {
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
        look: &mut impl AsyncFnMut(Letter, &Message) -> Result<Fate, String>,
    ) -> Result<bool, String> {
        let mut looked_at = BTreeSet::new();
        loop {
            let mut is_new = false;
            for message in self.receive().await? {
                let (Some(letter), Some(receipt)) = (Letter::read(&message), message.receipt_handle()) else {
                    continue;
                };
                let id = letter.id.clone();
                // Inserted before the call, so that the letter is given back even if the call fails.
                held.insert(id.clone(), receipt.to_owned());
                if looked_at.insert(id.clone()) {
                    is_new = true;
                    if matches!(look(letter, &message).await?, Fate::Gone) {
                        held.remove(&id);
                    }
                }
            }
            // Nothing was received, or only letters that became visible again.
            if !is_new {
                return Ok(false);
            }
            if looked_at.len() >= LETTERS_MAX {
                return Ok(true);
            }
        }
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        let call = self.client.receive_message().queue_url(&self.letters);
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
        let call = self.client.send_message().queue_url(&self.alive);
        let sent = call.message_body(message.body().unwrap_or_default()).send().await;
        let sent = sent.map_err(|error| failed("sending back", &error))?;
        Ok(sent.message_id.unwrap_or_default())
    }

    async fn delete(&self, message: &Message) -> Result<(), String> {
        let call = self.client.delete_message().queue_url(&self.letters);
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
            let call = self.client.change_message_visibility_batch().queue_url(&self.letters);
            let given_back = call.set_entries(Some(batch.to_vec())).send().await;
            given_back.map_err(|error| failed("releasing the checked messages", &error))?;
        }
        Ok(())
    }
}

/// Logical ids of the dead-letter queue and its source queue in the template.
const fn logical_ids(source: Source) -> (&'static str, &'static str) {
    match source {
        Source::WebhookEvents => ("WebhookEventsDeadLetters", "WebhookEventsQueue"),
        Source::RunAdvance => ("RunAdvanceDeadLetters", "RunAdvanceQueue"),
        Source::RecordFetch => ("RecordFetchDeadLetters", "RecordFetchQueue"),
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

/// Shows only AWS's error code: its message may quote the request.
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
    fn queues_are_known_by_their_stack_and_their_random_end() {
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
