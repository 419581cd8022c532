//! SQS event sources. Each one long-polls a queue over SQS's wire protocol, hands batches to a function, and deletes
//! the messages that succeeded. SQS redelivers failed messages after their visibility timeout, as with Lambda's own
//! pollers.

mod batch;
mod event;

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName};
use axum::body::Bytes;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::lambda::{Dispatcher, Lineage, LogLine, LogSink, event_source_key_id};
use crate::template::QueueSource;

const RECEIVE_MAX: usize = 10;
/// The longest wait of a receive that SQS allows.
const WAIT_SECS_MAX: u64 = 20;
const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(2);

pub(crate) struct QueuePoller {
    pub(crate) binary: String,
    pub(crate) source: QueueSource,
    pub(crate) queue_url: String,
    pub(crate) queue_arn: String,
    pub(crate) region: String,
    pub(crate) client: Client,
    pub(crate) dispatcher: Arc<Dispatcher>,
    /// Limits the batches that run at once.
    pub(crate) concurrency: Arc<Semaphore>,
    pub(crate) log: LogSink,
}

/// A client of the sandbox's SQS endpoint for the event sources of one function.
pub(crate) fn client(binary: &str, endpoint: &str, region: &str, secret_access_key: &str) -> Client {
    let key_id = event_source_key_id(binary);
    let credentials = Credentials::new(key_id, secret_access_key, None, None, "sandbox-host");
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .http_client(aws_smithy_http_client::Builder::new().build_http());
    Client::from_conf(config.build())
}

fn trace_header(message: &Message) -> Option<&str> {
    let header = message.attributes()?.get(&MessageSystemAttributeName::AwsTraceHeader);
    header.map(String::as_str)
}

impl QueuePoller {
    /// Polls until the task is aborted.
    pub(crate) async fn run(self) {
        let poller = Arc::new(self);
        let mut pause = PAUSE_FIRST;
        loop {
            // The slot is acquired before the receive. Otherwise a received message would be hidden while it waits for
            // a slot.
            let Ok(slot) = poller.concurrency.clone().acquire_owned().await else {
                return;
            };
            if let Some(left) = poller.dispatcher.pause_left(&poller.binary) {
                tokio::time::sleep(left).await;
            }
            match poller.receive().await {
                Ok(messages) if messages.is_empty() => {}
                Ok(messages) => {
                    pause = PAUSE_FIRST;
                    let running = poller.dispatcher.begin();
                    let poller = poller.clone();
                    tokio::spawn(async move {
                        poller.handle(messages).await;
                        drop((running, slot));
                    });
                }
                Err(problem) => {
                    poller.note(&format!("cannot receive: {problem}"));
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
            }
        }
    }

    /// Receives one batch: the first messages, and more until the batch is full or the batching window ends.
    async fn receive(&self) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
        let batch_size = usize::try_from(self.source.batch_size).unwrap_or(RECEIVE_MAX).max(1);
        let mut messages = self.receive_once(batch_size, WAIT_SECS_MAX).await?;
        let window_ends = Instant::now() + Duration::from_secs(self.source.batching_window_secs);
        while !messages.is_empty() && messages.len() < batch_size {
            let left = window_ends.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            // SQS counts the wait in whole seconds, so the timeout below cuts the long poll short.
            let more = self.receive_once(batch_size - messages.len(), left.as_secs() + 1);
            match tokio::time::timeout(left, more).await {
                Ok(Ok(more)) => messages.extend(more),
                // Handle the messages so far; the next poll reports a lasting problem.
                Ok(Err(_)) | Err(_) => break,
            }
        }
        Ok(messages)
    }

    async fn receive_once(&self, count: usize, wait_secs: u64) -> Result<Vec<Message>, aws_sdk_sqs::Error> {
        let received = self
            .client
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(i32::try_from(count.min(RECEIVE_MAX)).unwrap_or(1))
            .wait_time_seconds(i32::try_from(wait_secs.min(WAIT_SECS_MAX)).unwrap_or(0))
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    async fn handle(&self, messages: Vec<Message>) {
        let event = event::build(&messages, &self.queue_arn, &self.region);
        let payload = Bytes::from(event.to_string());
        let headers = messages.iter().filter_map(trace_header);
        let lineage = Lineage::of(headers);
        match self.dispatcher.invoke_after(lineage, &self.binary, payload).await {
            Ok(reply) => {
                let ids: Vec<&str> = messages.iter().filter_map(Message::message_id).collect();
                let outcome = match self.source.reports_batch_item_failures {
                    true => batch::failures(&reply, &ids),
                    false => Ok(Vec::new()),
                };
                match outcome {
                    // Messages are deleted only after the reply, so that a crash before the reply causes a redelivery.
                    Ok(failed) => self.delete_all_but(&failed, &messages).await,
                    Err(problem) => self.note(&format!("the whole batch failed: {problem}")),
                }
            }
            Err(problem) => self.note(&format!("the whole batch failed: {problem}")),
        }
    }

    async fn delete_all_but(&self, failed: &[String], messages: &[Message]) {
        let succeeded = messages.iter().filter(|message| {
            message
                .message_id()
                .is_some_and(|id| !failed.iter().any(|failed| failed == id))
        });
        let handles: Vec<&str> = succeeded.filter_map(Message::receipt_handle).collect();
        for chunk in handles.chunks(RECEIVE_MAX) {
            if let Err(problem) = self.delete(chunk).await {
                self.note(&format!(
                    "cannot delete messages, so SQS will redeliver them: {problem}"
                ));
            }
        }
    }

    async fn delete(&self, handles: &[&str]) -> Result<(), aws_sdk_sqs::Error> {
        let entries = handles.iter().enumerate().map(|(index, handle)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(*handle)
                .build()
        });
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let deleted = self
            .client
            .delete_message_batch()
            .queue_url(&self.queue_url)
            .set_entries(Some(entries))
            .send()
            .await?;
        for failed in deleted.failed() {
            self.note(&format!(
                "cannot delete a message, so SQS will redeliver it: {}",
                failed.code()
            ));
        }
        Ok(())
    }

    fn note(&self, problem: &str) {
        let text = format!("event source {}: {problem}", self.source.queue);
        (self.log)(LogLine {
            function: self.binary.clone(),
            pid: 0,
            text,
        });
    }
}
