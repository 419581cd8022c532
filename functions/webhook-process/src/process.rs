//! Acts on one event, once.

use shared::Error;
use shared::domain::Time;
use shared::message::dead_letter::DeadLetterReason;
use shared::message::webhook::{Event, WebhookEvent};
use shared::store::SeenMessage;

use crate::outcome::{DUPLICATE, GONE, IGNORED, UNMATCHED, WebhookOutcome};
use crate::source::SourceEndReport;
use crate::{Ports, consolidated, identity, source};

/// Acts on one event.
///
/// # Errors
/// Fails if the table or a queue fails. Gives up an identity event that cannot be read or does not show its person.
/// Also gives up a message whose id another event has used.
pub async fn process(io: &impl Ports, event: &WebhookEvent) -> Result<WebhookOutcome, Error> {
    let acted = act(io, event, io.now()).await;
    // If the event had an effect, the message's row need not be read: the effect and the row were written in one
    // transaction, which fails if the row exists. An event without an effect may be a duplicate, or another event under
    // the same id.
    if !matches!(acted, Ok(DUPLICATE | UNMATCHED | GONE) | Err(Error::GivenUp(_))) {
        return acted;
    }
    match io.find_message(&event.message).await? {
        Some(message) => repeat(io, event, &message).await,
        None => acted,
    }
}

async fn act(io: &impl Ports, event: &WebhookEvent, now: Time) -> Result<WebhookOutcome, Error> {
    match &event.event {
        Event::Source {
            patient,
            source,
            status,
        } => {
            let report = SourceEndReport {
                patient,
                source: *source,
                status: *status,
            };
            source::report(io, event, report, now).await
        }
        Event::Consolidated { delivery } => consolidated::deliver(io, event, delivery, now).await,
        Event::Identity { verification } => identity::verify(io, event, verification, now).await,
        Event::Other => Ok(IGNORED),
        Event::IdentityUnclear { body } => match body.verification() {
            Some(verification) => identity::verify(io, event, &verification, now).await,
            None => Err(Error::GivenUp(DeadLetterReason::IdentityEventUnreadable)),
        },
    }
}

/// Handles a message that was seen before. Its effect is stored. If the event brought Metriport's link to a record, the
/// process may have died before it sent the link to `record-fetch`, so the link is sent again.
async fn repeat(io: &impl Ports, event: &WebhookEvent, message: &SeenMessage) -> Result<WebhookOutcome, Error> {
    if message.digest != event.digest {
        return Err(Error::GivenUp(DeadLetterReason::MessageIdReused));
    }
    if let Event::Consolidated { delivery } = &event.event {
        consolidated::offer_again(io, event, delivery).await?;
    }
    Ok(DUPLICATE)
}
