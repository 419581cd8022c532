//! One webhook: verified, read, queued.

use shared::Error;
use shared::domain::Time;
use shared::edge::http::{Code, Problem};
use shared::message::webhook::{Event, EventKind, Incoming, WebhookEvent};
use shared::metrics::{Metric, Metrics};
use shared::queue::SendWebhookEvent;
use shared::webhook::{SignatureError, UnverifiedWebhook, VerifiedWebhook};

use crate::Ports;

/// Largest event queued, in bytes; SQS takes one MiB.
const EVENT_BYTES_MAX: usize = 1000 * 1024;
/// How much of a body is kept that is too large, in characters: each takes up to six bytes in JSON.
const KEPT_CHARS_MAX: usize = 150 * 1024;

/// What goes back.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The text of a ping.
    Pong(String),
    /// The event is durable.
    Queued,
}

/// Verifies and queues one webhook.
///
/// # Errors
/// Refuses what is not signed by Metriport. Fails when the event cannot be made durable: Metriport then keeps it as
/// failed, to be replayed.
pub async fn take_in(io: &impl Ports, metrics: &Metrics, webhook: UnverifiedWebhook<'_>) -> Result<Answer, Error> {
    let now = io.now();
    let verified = io.verify(webhook, now).await;
    let verified = verified.map_err(|error| refused(error, metrics))?;
    match read(verified, now) {
        Incoming::Ping(ping) => {
            metrics.put(&[Metric::webhook_accepted(EventKind::Ping)]);
            Ok(Answer::Pong(ping))
        }
        Incoming::Event(event) => {
            keep(io, metrics, &event).await?;
            Ok(Answer::Queued)
        }
    }
}

/// Makes one event durable.
///
/// # Errors
/// When the queue does not take it.
pub async fn keep(io: &impl SendWebhookEvent, metrics: &Metrics, event: &WebhookEvent) -> Result<(), Error> {
    if let Err(error) = io.send_webhook_event(event).await {
        metrics.put(&[Metric::webhook_not_queued()]);
        return Err(error.into());
    }
    metrics.put(&accepted(event));
    tracing::info!(event = event.event_type, message_id = %event.message, "webhook queued");
    Ok(())
}

/// Events are small, but one that names much may not be. What would not fit the queue is queued as its envelope; the
/// body of an identity event, which is kept for whoever mends the reader, as far as it fits.
fn read(verified: VerifiedWebhook<'_>, now: Time) -> Incoming {
    match verified.read(now) {
        Incoming::Event(event) if is_oversized(&event) => {
            let cut = match event.event {
                Event::IdentityUnclear { body } => match body.verification() {
                    Some(verification) => Event::Identity { verification },
                    None => Event::IdentityUnclear {
                        body: body.cut(KEPT_CHARS_MAX),
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
