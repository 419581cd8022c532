//! Verifies, reads and queues one webhook.

use shared::Error;
use shared::domain::Time;
use shared::edge::http::{Code, Problem};
use shared::message::webhook::{Event, EventKind, Incoming, WebhookEvent};
use shared::metrics::{Metric, Metrics};
use shared::queue::SendWebhookEvent;
use shared::webhook::{SignatureError, UnverifiedWebhook, VerifiedWebhook};

use crate::Ports;

/// Largest queued event, in bytes; SQS accepts one MiB.
const EVENT_BYTES_MAX: usize = 1000 * 1024;
/// Maximum number of characters that are kept of a body that is too large. A character takes up to six bytes in JSON.
const BODY_CHARS_MAX: usize = 150 * 1024;

/// The reply to a webhook.
#[derive(Debug, PartialEq, Eq)]
pub enum WebhookReply {
    /// The text of a ping, which is sent back.
    Pong(String),
    /// The event is durable.
    Queued,
}

/// Verifies and queues one webhook.
///
/// # Errors
/// Refuses a webhook that Metriport has not signed. Fails if the event cannot be queued; Metriport can then replay it.
pub async fn take_in(
    io: &impl Ports,
    metrics: &Metrics,
    webhook: UnverifiedWebhook<'_>,
) -> Result<WebhookReply, Error> {
    let now = io.now();
    let verified = io.verify(webhook, now).await;
    let verified = verified.map_err(|error| refused(error, metrics))?;
    match read(verified, now) {
        Incoming::Ping(ping) => {
            metrics.put(&[Metric::webhook_accepted(EventKind::Ping)]);
            Ok(WebhookReply::Pong(ping))
        }
        Incoming::Event(event) => {
            // Queued before the reply, since Metriport does not repeat a delivery that got a 200.
            keep(io, metrics, &event).await?;
            Ok(WebhookReply::Queued)
        }
    }
}

/// Queues one event durably.
///
/// # Errors
/// Fails if the queue does not accept it.
pub async fn keep(io: &impl SendWebhookEvent, metrics: &Metrics, event: &WebhookEvent) -> Result<(), Error> {
    if let Err(error) = io.send_webhook_event(event).await {
        metrics.put(&[Metric::webhook_not_queued()]);
        return Err(error.into());
    }
    metrics.put(&accepted(event));
    tracing::info!(event = event.event_type, message_id = %event.message, "webhook queued");
    Ok(())
}

/// Reads a webhook. If its event is too large for the queue, only the envelope is kept: every field of [`WebhookEvent`]
/// except `event`. An [`Event::IdentityUnclear`] also keeps its ids. If these cannot be read, it keeps as much of its
/// body as fits, for a later version that can read the body.
fn read(verified: VerifiedWebhook<'_>, now: Time) -> Incoming {
    match verified.read(now) {
        Incoming::Event(event) if is_oversized(&event) => {
            let cut = match event.event {
                Event::IdentityUnclear { body } => match body.verification() {
                    Some(verification) => Event::Identity { verification },
                    None => Event::IdentityUnclear {
                        body: body.cut(BODY_CHARS_MAX),
                    },
                },
                _ => Event::Other,
            };
            Incoming::Event(Box::new(WebhookEvent { event: cut, ..*event }))
        }
        incoming => incoming,
    }
}

fn is_oversized(event: &WebhookEvent) -> bool {
    serde_json::to_vec(event).is_ok_and(|body| body.len() > EVENT_BYTES_MAX)
}

fn accepted(event: &WebhookEvent) -> Vec<Metric> {
    let age = event.age().map(Metric::webhook_age);
    [Metric::webhook_accepted(event.kind())]
        .into_iter()
        .chain(age)
        .collect()
}

fn refused(error: SignatureError, metrics: &Metrics) -> Error {
    metrics.put(&[Metric::webhook_unbelieved(error)]);
    let reason = error.to_string();
    tracing::warn!(reason, "webhook refused");
    Problem::new(Code::SignatureInvalid).into()
}
