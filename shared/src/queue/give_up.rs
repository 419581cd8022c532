//! Stores the messages that a consumer gives up. They go to the dead-letter queue to which SQS moves failed messages of
//! the consumer's queue. One alarm, encryption and a retention of fourteen days thus apply to all dead letters of a
//! queue.

use std::borrow::Cow;

use aws_lambda_events::sqs::SqsMessage;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use serde_json::Value;

use super::{Queue, QueueError};
use crate::config::{ConfigError, Env};
use crate::domain::Time;
use crate::message::dead_letter::{ATTRIBUTE, DeadLetterReason, Envelope, without_links};
use crate::metrics::{Metric, Metrics};

/// A queue whose messages can become dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceQueue {
    /// `webhook-events`.
    WebhookEvents,
    /// `run-advance`.
    RunAdvance,
    /// `record-fetch`.
    RecordFetch,
    /// `account-work`.
    AccountWork,
}

impl SourceQueue {
    /// Every source queue.
    pub const ALL: [Self; 4] = [
        Self::WebhookEvents,
        Self::RunAdvance,
        Self::RecordFetch,
        Self::AccountWork,
    ];

    /// The name in logs, in envelopes and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebhookEvents => "webhook-events",
            Self::RunAdvance => "run-advance",
            Self::RecordFetch => "record-fetch",
            Self::AccountWork => "account-work",
        }
    }

    /// The variable with the URL of its dead-letter queue.
    const fn variable(self) -> &'static str {
        match self {
            Self::WebhookEvents => "WEBHOOK_EVENTS_DEAD_LETTERS_URL",
            Self::RunAdvance => "RUN_ADVANCE_DEAD_LETTERS_URL",
            Self::RecordFetch => "RECORD_FETCH_DEAD_LETTERS_URL",
            Self::AccountWork => "ACCOUNT_WORK_DEAD_LETTERS_URL",
        }
    }

    /// The part of a body that is stored: everything except links to records. Every link is removed from a
    /// `record-fetch` message. From a webhook event, only the link of a delivery is removed, because an identity event
    /// may be stored whole.
    fn strip_record_links(self, body: &str) -> Cow<'_, str> {
        match self {
            Self::WebhookEvents => without_delivered_link(body),
            Self::RunAdvance | Self::AccountWork => Cow::Borrowed(body),
            Self::RecordFetch => Cow::Owned(without_links(body)),
        }
    }
}

/// Empties the link of a consolidated query's delivery. Everything else stays as written, even in a body that is not
/// one of our messages.
fn without_delivered_link(body: &str) -> Cow<'_, str> {
    let event: Value = serde_json::from_str(body).unwrap_or_default();
    match event.pointer("/event/delivery/link") {
        Some(link @ Value::String(_)) => Cow::Owned(body.replace(&link.to_string(), r#""""#)),
        _ => Cow::Borrowed(body),
    }
}

/// A message that is given up. It has no `Debug`, because its body may hold any data.
pub struct DeadLetter<'a> {
    /// The reason.
    pub reason: DeadLetterReason,
    /// The reason as a code, with SQS's own data about the message.
    pub envelope: Envelope,
    /// The part of the body that is stored.
    pub body: Cow<'a, str>,
}

impl<'a> DeadLetter<'a> {
    /// The dead letter of a message that Lambda passed on.
    #[must_use]
    pub fn of(message: &'a SqsMessage, reason: DeadLetterReason, source: SourceQueue) -> Self {
        let attribute = |name: &str| message.attributes.get(name);
        let id = message.message_id.as_deref().unwrap_or_default();
        let mut envelope = Envelope::new(reason, source.name(), id);
        envelope.received_count = attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok());
        envelope.sent_at = attribute("SentTimestamp").and_then(|at| at.parse().ok().map(Time::from_millis));
        Self {
            reason,
            envelope,
            body: source.strip_record_links(message.body.as_deref().unwrap_or_default()),
        }
    }
}

/// Stores dead letters.
pub trait KeepDeadLetter {
    /// The queue whose dead letters are stored.
    fn source(&self) -> SourceQueue;
    /// Stores a dead letter. `Ok` means that it is durable, and that the message may be acknowledged.
    fn keep(&self, dead_letter: &DeadLetter<'_>) -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// The dead-letter queue of a source.
#[derive(Clone)]
pub struct DeadLetterQueue {
    queue: Queue,
    source: SourceQueue,
    metrics: Metrics,
}

impl DeadLetterQueue {
    /// Reads the variable with the queue's URL.
    ///
    /// # Errors
    /// Fails if the variable is missing.
    pub fn read(client: &Client, env: &Env, source: SourceQueue) -> Result<Self, ConfigError> {
        let queue = Queue::read(client, env, source.variable())?;
        Ok(Self {
            queue,
            source,
            metrics: Metrics::off(),
        })
    }

    /// Counts dead letters, each after it is stored.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }
}

impl KeepDeadLetter for DeadLetterQueue {
    fn source(&self) -> SourceQueue {
        self.source
    }

    async fn keep(&self, dead_letter: &DeadLetter<'_>) -> Result<(), QueueError> {
        let envelope =
            serde_json::to_string(&dead_letter.envelope).map_err(|error| self.queue.error(&error.to_string()))?;
        let attribute = MessageAttributeValue::builder()
            .data_type("String")
            .string_value(envelope);
        let attribute = attribute
            .build()
            .map_err(|error| self.queue.error(&error.to_string()))?;
        // SQS refuses an empty body, so a dead letter with one could never be stored.
        let body = if dead_letter.body.is_empty() {
            " "
        } else {
            &dead_letter.body
        };
        let call = self.queue.client.send_message().queue_url(&self.queue.url);
        match call
            .message_body(body)
            .message_attributes(ATTRIBUTE, attribute)
            .send()
            .await
        {
            Ok(_sent) => {
                self.metrics.put(&[Metric::dead_letter(dead_letter.reason)]);
                Ok(())
            }
            Err(error) => Err(self.queue.error(crate::aws::aws_code(&error))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Time;
    use crate::message::parse;
    use crate::message::webhook::{Event, WebhookEvent};

    #[test]
    fn dead_letter_loses_record_links_but_keeps_identity_events() {
        let event = |event: Value| {
            json!({ "version": 1, "message": "m", "digest": "d", "eventType": "t", "receivedAt": 7, "event": event })
                .to_string()
        };
        let link = "https://records.example.test/x?sig=1";
        let delivery = json!({ "patient": "p-1", "status": "completed", "filters": {}, "link": link, "empty": false });
        let delivered = event(json!({ "kind": "consolidated", "delivery": delivery }));
        let stripped = SourceQueue::WebhookEvents.strip_record_links(&delivered);
        assert!(delivered.contains(link) && !stripped.contains("records.example.test"));
        let read: WebhookEvent = parse(&stripped).expect("the same but for its link");
        let before: WebhookEvent = parse(&delivered).expect("an event");
        assert_eq!((read.message, read.received_at), (before.message, Time::from_millis(7)));
        match read.event {
            Event::Consolidated { delivery } => assert!(delivery.link.is_some_and(|link| link.is_removed())),
            other => panic!("{other:?}"),
        }
        let body = json!({ "payload": { "page": link } }).to_string();
        for whole in [
            event(json!({ "kind": "identityUnclear", "body": body })),
            format!("no JSON {link}"),
        ] {
            assert_eq!(SourceQueue::WebhookEvents.strip_record_links(&whole), whole);
        }
        assert_eq!(
            SourceQueue::RecordFetch.strip_record_links(&format!("no JSON {link} kept")),
            "no JSON  kept"
        );
    }
}
