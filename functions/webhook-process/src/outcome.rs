//! The outcome of an event. The effect is written once, in one transaction with the row that marks the message as seen.
//! If another process writes the same items first, the effect is decided again from their new state.

use shared::Error;
use shared::domain::Time;
use shared::message::webhook::WebhookEvent;
use shared::store::{Condition, RememberMessage, SeenMessage, StoreError};

/// The outcome of an event, as a word for the log.
pub type WebhookOutcome = &'static str;

/// The event changed the stored state.
pub const APPLIED: WebhookOutcome = "applied";
/// The event belongs to an unknown person, or to a request that we did not make. Its message is not marked as seen,
/// because a replay may come when the person or request is known.
pub const UNMATCHED: WebhookOutcome = "unmatched";
/// The event belongs to a pull or record that is no longer stored. Its message is not marked as seen.
pub const GONE: WebhookOutcome = "gone";
/// The event reports what is already stored.
pub const UNCHANGED: WebhookOutcome = "unchanged";
/// The event needs no action. Its message is not marked as seen, because other messages may have the same id, like the
/// test events of Metriport's dashboard.
pub const IGNORED: WebhookOutcome = "ignored";
/// A message with this id was seen before.
pub const DUPLICATE: WebhookOutcome = "duplicate";

/// Maximum number of attempts at an effect. An attempt fails if another process writes the same items.
const ATTEMPTS: u32 = 8;

pub(crate) fn seen_message(event: &WebhookEvent, now: Time) -> SeenMessage {
    SeenMessage {
        message: event.message.clone(),
        digest: event.digest.clone(),
        at: now,
    }
}

/// Marks a message without an effect as seen.
pub(crate) async fn remember(
    io: &impl RememberMessage,
    event: &WebhookEvent,
    outcome: WebhookOutcome,
    now: Time,
) -> Result<WebhookOutcome, Error> {
    match io.remember(&seen_message(event, now)).await {
        Ok(()) => Ok(outcome),
        Err(error) if error.lacks(Condition::MessageUnseen) => Ok(DUPLICATE),
        Err(error) => Err(error.into()),
    }
}

/// Repeats `attempt` until no other process writes between its read and its write. `read` names the item that it reads.
///
/// # Errors
/// Returns the attempt's error, or a conflict over `read` if every attempt met one.
pub(crate) async fn retry_conflicts<F>(read: Condition, attempt: impl Fn() -> F) -> Result<WebhookOutcome, Error>
where
    F: Future<Output = Result<WebhookOutcome, Error>>,
{
    for _ in 0..ATTEMPTS {
        match attempt().await {
            Err(Error::Store(error)) if error.lacks(Condition::MessageUnseen) => return Ok(DUPLICATE),
            Err(Error::Store(StoreError::Conflict(_))) => {}
            ended => return ended,
        }
    }
    Err(StoreError::Conflict(vec![read]).into())
}
