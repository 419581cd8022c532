//! The queues, and the ports that send to them.

mod give_up;

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use serde::Serialize;

pub use give_up::{DeadLetter, DeadLetterQueue, KeepDeadLetter, SourceQueue};

use crate::config::{ConfigError, Env};
use crate::domain::Timing;
use crate::message::webhook::WebhookEvent;
use crate::message::{AccountWork, Advance, FetchRecord};
use crate::ports::{HasAdvances, port};

/// SQS delays a message by at most fifteen minutes. A longer wait is stored as a due time in the table.
pub const DELAY_MAX: Duration = Duration::from_secs(900);

/// A message that could not be sent. Sending it again is safe: every consumer recognises duplicates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("queue {queue}: {problem}")]
pub struct QueueError {
    /// The variable that names the queue.
    pub queue: &'static str,
    /// SQS's error code, or the reason why no answer came.
    pub problem: String,
}

/// SQS accepts at most ten messages in one request.
const BATCH_MAX: usize = 10;

/// Sends `advance` messages.
pub trait SendAdvance {
    /// Sends messages, each visible after its delay (rounded up to seconds, cut at [`DELAY_MAX`]). On an error, some
    /// messages may have been sent.
    fn send_advances(&self, advances: &[(Advance, Duration)]) -> impl Future<Output = Result<(), QueueError>> + Send;
    /// The longest wait that a message can hold.
    fn delay_max(&self) -> Duration {
        DELAY_MAX
    }
}

impl<T: HasAdvances<Adapter: SendAdvance>> SendAdvance for T {
    fn send_advances(&self, advances: &[(Advance, Duration)]) -> impl Future<Output = Result<(), QueueError>> + Send {
        self.adapter().send_advances(advances)
    }

    fn delay_max(&self) -> Duration {
        self.adapter().delay_max()
    }
}

port! {
    /// Sends `record-fetch` messages.
    pub trait SendFetch via HasFetches {
        /// Sends one message without delay, because its link works for only a few minutes.
        async fn send_fetch(&self, fetch: &FetchRecord) -> Result<(), QueueError>;
    }
}

port! {
    /// Sends webhook events.
    pub trait SendWebhookEvent via HasWebhookEvents {
        /// Sends one event without delay. `Ok` means that the event is durable.
        async fn send_webhook_event(&self, event: &WebhookEvent) -> Result<(), QueueError>;
    }
}

port! {
    /// Sends `account-work` messages.
    pub trait SendAccountWork via HasAccountWork {
        /// Sends one message without delay.
        async fn send_account_work(&self, work: &AccountWork) -> Result<(), QueueError>;
    }
}

#[derive(Clone)]
struct Queue {
    client: Client,
    url: String,
    name: &'static str,
    timing: Timing,
}

impl Queue {
    fn read(client: &Client, env: &Env, name: &'static str) -> Result<Self, ConfigError> {
        Ok(Self {
            client: client.clone(),
            url: env.required(name)?.to_owned(),
            name,
            timing: Timing::default(),
        })
    }

    async fn send(&self, message: &impl Serialize, delay: Duration) -> Result<(), QueueError> {
        let call = self.client.send_message().queue_url(&self.url);
        let call = call
            .message_body(self.body(message)?)
            .set_delay_seconds(self.seconds(delay));
        match call.send().await {
            Ok(_sent) => Ok(()),
            Err(error) => Err(self.error(crate::aws::aws_code(&error))),
        }
    }

    /// Sends up to [`BATCH_MAX`] messages in one request.
    async fn send_batch(&self, messages: &[(impl Serialize, Duration)]) -> Result<(), QueueError> {
        let mut call = self.client.send_message_batch().queue_url(&self.url);
        for (index, (message, delay)) in messages.iter().enumerate() {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(self.body(message)?)
                .set_delay_seconds(self.seconds(*delay))
                .build();
            call = call.entries(entry.map_err(|_incomplete| self.error("incomplete entry"))?);
        }
        let answer = call.send().await;
        let answer = answer.map_err(|error| self.error(crate::aws::aws_code(&error)))?;
        match answer.failed.first() {
            None => Ok(()),
            Some(failed) => Err(self.error(&failed.code)),
        }
    }

    fn body(&self, message: &impl Serialize) -> Result<String, QueueError> {
        serde_json::to_string(message).map_err(|error| self.error(&error.to_string()))
    }

    /// The delay in SQS's form; `None` for no delay.
    fn seconds(&self, delay: Duration) -> Option<i32> {
        let delay = self.timing.unscaled(delay).min(DELAY_MAX);
        let seconds = i32::try_from(delay.as_millis().div_ceil(1000)).unwrap_or(i32::MAX);
        (seconds > 0).then_some(seconds)
    }

    fn error(&self, problem: &str) -> QueueError {
        QueueError {
            queue: self.name,
            problem: problem.to_owned(),
        }
    }
}

macro_rules! queue {
    ($(#[$doc:meta])* $name:ident, $variable:literal) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Queue);

        impl $name {
            /// Reads the variable with the queue's URL.
            ///
            /// # Errors
            /// Fails if the variable is missing.
            pub fn read(client: &Client, env: &Env) -> Result<Self, ConfigError> {
                Queue::read(client, env, $variable).map(Self)
            }
        }
    };
}

queue!(/// The queue `run-advance`.
    AdvanceQueue, "RUN_ADVANCE_QUEUE_URL");
queue!(/// The queue `record-fetch`.
    FetchQueue, "RECORD_FETCH_QUEUE_URL");
queue!(/// The queue `account-work`.
    AccountWorkQueue, "ACCOUNT_WORK_QUEUE_URL");
queue!(/// The queue `webhook-events`.
    WebhookEventQueue, "WEBHOOK_EVENTS_QUEUE_URL");

impl AdvanceQueue {
    /// Uses the sandbox's timing. Delays are sent unscaled, because the sandbox's SQS divides them by the same scale.
    #[must_use]
    pub fn in_time(mut self, timing: Timing) -> Self {
        self.0.timing = timing;
        self
    }
}

impl SendAdvance for AdvanceQueue {
    fn delay_max(&self) -> Duration {
        self.0.timing.queue_delay_max()
    }

    async fn send_advances(&self, advances: &[(Advance, Duration)]) -> Result<(), QueueError> {
        for batch in advances.chunks(BATCH_MAX) {
            match batch {
                [(advance, delay)] => self.0.send(advance, *delay).await?,
                several => self.0.send_batch(several).await?,
            }
        }
        Ok(())
    }
}

impl SendFetch for FetchQueue {
    async fn send_fetch(&self, fetch: &FetchRecord) -> Result<(), QueueError> {
        self.0.send(fetch, Duration::ZERO).await
    }
}

impl SendAccountWork for AccountWorkQueue {
    async fn send_account_work(&self, work: &AccountWork) -> Result<(), QueueError> {
        self.0.send(work, Duration::ZERO).await
    }
}

impl SendWebhookEvent for WebhookEventQueue {
    async fn send_webhook_event(&self, event: &WebhookEvent) -> Result<(), QueueError> {
        self.0.send(event, Duration::ZERO).await
    }
}
