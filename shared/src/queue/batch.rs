//! A batch of messages, each on its own: one that fails comes back alone, and none hides another.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};

use crate::error::Error;

/// Runs `step` on the body of each message in turn. What fails is reported by itself: it comes back after its
/// visibility timeout and, after the queue's limit of receives, goes to the dead-letter queue, where it is alarmed and
/// can be redriven. Nothing is dropped here.
pub async fn each<F>(event: SqsEvent, step: impl Fn(String) -> F) -> SqsBatchResponse
where
    F: Future<Output = Result<&'static str, Error>>,
{
    let mut failures = Vec::new();
    for message in event.records {
        let id = message.message_id.clone().unwrap_or_default();
        // Boxed, so that a step's whole state is not part of the type of whoever runs it.
        match Box::pin(step(message.body.unwrap_or_default())).await {
            Ok(outcome) => tracing::info!(message_id = id, outcome, "message done"),
            Err(error) => {
                let (context, retryable) = (error.to_string(), error.retryable());
                tracing::warn!(message_id = id, context, retryable, "message failed");
                failures.push(failure(id));
            }
        }
    }
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = failures;
    response
}

fn failure(id: String) -> BatchItemFailure {
    let mut failure = BatchItemFailure::default();
    failure.item_identifier = id;
    failure
}
