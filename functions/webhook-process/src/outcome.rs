//! What becomes of an event, in one word, and how its effect is written once: together with the row that says that the
//! message was seen, and decided anew when others write the same items.

use shared::Error;
use shared::domain::Time;
use shared::message::webhook::WebhookEvent;
use shared::store::{Condition, RememberMessage, SeenMessage, StoreError};

/// What became of an event; a word for the log.
pub type Outcome = &'static str;

/// The event changed what is stored.
pub const APPLIED: Outcome = "applied";
/// The event belongs to a person we do not know, or to a request we did not make. It is not remembered: a replay may
/// come when we know more.
pub const UNMATCHED: Outcome = "unmatched";
/// We know what the event belonged to, and that is no longer stored. Not remembered either.
pub const GONE: Outcome = "gone";
/// The event reports what is stored already.
pub const UNCHANGED: Outcome = "unchanged";
/// The event needs no action, and is not remembered: another message may have the same id.
pub const IGNORED: Outcome = "ignored";
/// A message with this id was acted on before.
pub const DUPLICATE: Outcome = "duplicate";

/// How often an effect is decided anew when others write the same items.
const ATTEMPTS: u32 = 8;

/// The row that says that this message was seen.
pub(crate) fn seen_message(event: &WebhookEvent, now: Time) -> SeenMessage {
    SeenMessage {
        message: event.message.clone(),
        digest: event.digest.clone(),
        at: now,
    }
}

/// Remembers a message that has no effect.
pub(crate) async fn remember(
    io: &impl RememberMessage,
    event: &WebhookEvent,
    outcome: Outcome,
    now: Time,
) -> Result<Outcome, Error> {
    match io.remember(&seen_message(event, now)).await {
        Ok(()) => Ok(outcome),
        Err(error) if error.lacks(Condition::MessageUnseen) => Ok(DUPLICATE),
        Err(error) => Err(error.into()),
    }
}

/// Attempts an effect until no other write comes between its read and its write; `read` is what the attempts read.
///
/// # Errors
/// The attempt's own, and a conflict over `read` if every attempt met one.
pub(crate) async fn retry_conflicts<F>(read: Condition, attempt: impl Fn() -> F) -> Result<Outcome, Error>
where
    F: Future<Output = Result<Outcome, Error>>,
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
