//! Handles each message of a batch separately. SQS redelivers only the messages that failed, and a message that cannot
//! succeed becomes a dead letter.

use std::panic::AssertUnwindSafe;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use futures_util::FutureExt as _;

use crate::edge::error::Error;
use crate::message::dead_letter::DeadLetterReason;
use crate::queue::{DeadLetter, KeepDeadLetter};

/// Runs `step` on the body of each message, one after the other.
///
/// - A message that may succeed later is reported as failed. SQS redelivers it after its visibility timeout and, after
///   the queue's limit of receives, moves it to the dead-letter queue.
/// - A message that cannot succeed is stored as a dead letter at once, with the reason, and acknowledged. If it cannot
///   be stored, it is reported as failed.
/// - A panic of a step fails only the message of that step, because steps share nothing but clients.
pub async fn each<F>(
    event: SqsEvent,
    dead_letters: &impl KeepDeadLetter,
    step: impl Fn(String) -> F,
) -> SqsBatchResponse
where
    F: Future<Output = Result<&'static str, Error>>,
{
    let mut failures = Vec::new();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        let body = message.body.clone().unwrap_or_default();
        // Boxed, so that the step's whole state is not part of this function's future.
        let ended = AssertUnwindSafe(Box::pin(step(body))).catch_unwind().await;
        let is_done = match ended {
            Ok(Ok(outcome)) => {
                tracing::info!(message_id = id, outcome, "message done");
                true
            }
            Ok(Err(error)) => Box::pin(is_given_up(dead_letters, &message, &error)).await,
            // The panic hook has logged the place of the panic. The panic's message may quote data, so it is not
            // logged.
            Err(_panic) => false,
        };
        if !is_done {
            failures.push(failure(id));
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

/// Gives up a failed message if it can never succeed. Returns whether its dead letter is stored and the message can be
/// acknowledged.
async fn is_given_up(dead_letters: &impl KeepDeadLetter, message: &SqsMessage, error: &Error) -> bool {
    let (message_id, context) = (message.message_id.as_deref(), error.to_string());
    let given_up = error.gives_up();
    tracing::warn!(message_id, context, retryable = given_up.is_none(), "message failed");
    match given_up {
        Some(reason) => is_kept(dead_letters, message, reason).await,
        None => false,
    }
}

async fn is_kept(dead_letters: &impl KeepDeadLetter, message: &SqsMessage, reason: DeadLetterReason) -> bool {
    let source = dead_letters.source();
    let queue = source.name();
    // Stored before the message is acknowledged, so that a crash in between does not lose it.
    match dead_letters.keep(&DeadLetter::of(message, reason, source)).await {
        Ok(()) => {
            tracing::error!(queue, reason = reason.as_str(), "dead letter");
            true
        }
        Err(error) => {
            let context = error.to_string();
            tracing::error!(
                queue,
                context,
                "a dead letter could not be stored, so SQS redelivers the message"
            );
            false
        }
    }
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::message::parse;
    use crate::queue::{QueueError, SourceQueue};
    use crate::store::StoreError;

    /// Keeps dead letters, or fails to.
    struct DeadLetterStore(Option<Mutex<Vec<(String, String)>>>);

    impl KeepDeadLetter for DeadLetterStore {
        fn source(&self) -> SourceQueue {
            SourceQueue::RecordFetch
        }

        async fn keep(&self, dead_letter: &DeadLetter<'_>) -> Result<(), QueueError> {
            let Some(rows) = &self.0 else {
                return Err(QueueError {
                    queue: "Q",
                    problem: "connection".to_owned(),
                });
            };
            let envelope = serde_json::to_string(&dead_letter.envelope).unwrap();
            rows.lock()
                .unwrap()
                .push((envelope, dead_letter.body.clone().into_owned()));
            Ok(())
        }
    }

    async fn step(body: String) -> Result<&'static str, Error> {
        let value: serde_json::Value = parse(&body)?;
        match value["do"].as_str() {
            Some("panic") => panic!("CANARY"),
            Some("retry") => Err(StoreError::Unavailable("timeout".to_owned()).into()),
            Some("fail") => Err(Error::Internal("never")),
            _ => Ok("fine"),
        }
    }

    async fn run(bodies: &[&str], store: &DeadLetterStore) -> Vec<String> {
        let mut event = SqsEvent::default();
        for (index, body) in bodies.iter().enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(index.to_string());
            message.body = Some((*body).to_owned());
            message
                .attributes
                .insert("ApproximateReceiveCount".to_owned(), "3".to_owned());
            event.records.push(message);
        }
        let failures = each(event, store, step).await.batch_item_failures;
        failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    const BODIES: [&str; 6] = [
        r#"{"version":1,"do":"panic"}"#,
        "https://b.test/CANARY",
        r#"{"version":1,"do":"retry"}"#,
        r#"{"version":1,"do":"fail"}"#,
        r#"{"version":9}"#,
        r#"{"version":1}"#,
    ];

    #[tokio::test(flavor = "current_thread")]
    async fn each_message_fails_or_succeeds_separately() {
        let store = DeadLetterStore(Some(Mutex::default()));
        assert_eq!(run(&BODIES, &store).await, ["0", "2"]);
        let rows = store.0.unwrap().into_inner().unwrap();
        let envelope = |rest: &str, id: u32| {
            format!(r#"{{"version":1,{rest},"queue":"record-fetch","messageId":"{id}","receivedCount":3}}"#)
        };
        let expected = [
            (envelope(r#""reason":"malformed""#, 1), ""),
            (
                envelope(r#""reason":"not_retryable","failure":"internal""#, 3),
                BODIES[3],
            ),
            (envelope(r#""reason":"unknown_version""#, 4), BODIES[4]),
        ];
        assert_eq!(rows, expected.map(|(text, body)| (text, body.to_owned())));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn message_is_redelivered_if_its_dead_letter_is_not_stored() {
        assert_eq!(run(&BODIES, &DeadLetterStore(None)).await, ["0", "1", "2", "3", "4"]);
    }
}
