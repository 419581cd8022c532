//! The outcome of an event, and how its effect is written once: together with the row that marks the message as seen.
//! If another process writes the same items first, the effect is decided again from their new state.

use shared::Error;
use shared::domain::Time;
use shared::message::webhook::WebhookEvent;
use shared::store::{Condition, RememberMessage, SeenMessage, StoreError};

/// The outcome of an event, as a word for the log.
pub type WebhookOutcome = &'static str;

/// The event changed the stored state.
pub const APPLIED: WebhookOutcome = "applied";
/// The event belongs to an unknown person, or to a request that we did not make. It is not marked as seen: a replay may
/// come when we know more.
pub const UNMATCHED: WebhookOutcome = "unmatched";
/// The event belongs to a run or record that is no longer stored. Its message is not marked as seen, either.
pub const GONE: WebhookOutcome = "gone";
/// The event reports what is already stored.
pub const UNCHANGED: WebhookOutcome = "unchanged";
/// The event needs no action. It is not marked as seen: another message may have the same id, as the test events of
/// Metriport's dashboard do.
pub const IGNORED: WebhookOutcome = "ignored";
/// A message with this id was acted on before.
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

/// Attempts an effect until no other write comes between its read and its write. `read` names the item that is read.
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
