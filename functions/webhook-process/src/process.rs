//! One event: seen before, or what becomes of it.

use shared::Error;
use shared::domain::Time;
use shared::queue::dead_letter::Reason;
use shared::store::{Condition, Correlate, SeenMessage};
use shared::webhook::{Event, WebhookEvent};

use crate::{Deps, consolidated, identity, source};

/// What became of an event; a word for the log.
pub type Outcome = &'static str;

/// The event belongs to nobody we know, or to nothing we asked for. It is not remembered: a replay may come when we
/// know more.
pub const UNMATCHED: Outcome = "unmatched";
/// We know what it belonged to, and that is not stored any more. Not remembered either.
pub const GONE: Outcome = "gone";
/// It says what we know already.
pub const UNCHANGED: Outcome = "unchanged";
/// It needs no action, and is not remembered: another message may have the same id.
pub const IGNORED: Outcome = "ignored";
/// It was acted on before.
pub const DUPLICATE: Outcome = "duplicate";

/// How often a write is tried again when others write the same items.
pub const ATTEMPTS: u32 = 8;

/// Acts on one event.
///
/// # Errors
/// When the table or a queue fails, the message comes back. When no id can be read from an identity event, or another
/// event came under the same message id, it is given up.
pub async fn process(deps: &Deps, event: &WebhookEvent, now: Time) -> Result<Outcome, Error> {
    let acted = act(deps, event, now).await;
    // Whatever has an effect has it together with the row that says so, and only if there was none: that spares a look
    // before. What had none may have been acted on before, or be another one under the same id.
    if !matches!(acted, Ok(DUPLICATE | UNMATCHED | GONE) | Err(Error::GivenUp(_))) {
        return acted;
    }
    match deps.table.seen(&event.message).await? {
        Some(seen) => again(deps, event, &seen).await,
        None => acted,
    }
}

async fn act(deps: &Deps, event: &WebhookEvent, now: Time) -> Result<Outcome, Error> {
    match &event.event {
        Event::Source {
            patient,
            source,
            status,
        } => {
            source::report(
                deps,
                event,
                source::Report {
                    patient,
                    source: *source,
                    status: *status,
                },
                now,
            )
            .await
        }
        Event::Consolidated { delivery } => consolidated::deliver(deps, event, delivery, now).await,
        Event::Identity { verification } => identity::verify(deps, event, verification, now).await,
        // Upstream's first data is no completion; what matters about it comes with the source's own event.
        Event::FirstData { .. } | Event::Other => Ok(IGNORED),
        Event::IdentityUnclear { body } => match body.verification() {
            Some(verification) => identity::verify(deps, event, &verification, now).await,
            None => Err(Error::GivenUp(Reason::IdentityEventUnreadable)),
        },
    }
}

/// The effect of a message that was seen is written; only what was to be sent with it may be missing.
async fn again(deps: &Deps, event: &WebhookEvent, seen: &SeenMessage) -> Result<Outcome, Error> {
    if seen.digest != event.digest {
        return Err(Error::GivenUp(Reason::MessageIdReused));
    }
    if let Event::Consolidated { delivery } = &event.event {
        consolidated::offer_again(deps, event, delivery).await?;
    }
    Ok(DUPLICATE)
}

/// The row that says this message was seen.
pub(crate) fn seen(event: &WebhookEvent, now: Time) -> SeenMessage {
    SeenMessage {
        message: event.message.clone(),
        digest: event.digest.clone(),
        at: now,
    }
}

/// Remembers a message without effect.
pub(crate) async fn done(deps: &Deps, event: &WebhookEvent, outcome: Outcome, now: Time) -> Result<Outcome, Error> {
    match deps.table.remember(&seen(event, now)).await {
        Ok(()) => Ok(outcome),
        Err(error) if error.lacks(Condition::MessageUnseen) => Ok(DUPLICATE),
        Err(error) => Err(error.into()),
    }
}
