//! The steps that bring the persons to their state. The real function makes each step, and its messages go to the next
//! function.

use serde_json::Value;
use shared::domain::Time;
use shared::edge::init::Init;

use super::Failed;
use super::cloud::{Cloud, Message};
use super::events::{self, Call};
use super::people::Person;
use super::webhooks;

/// Every function, over one table.
pub struct Steps<'a> {
    cloud: &'a Cloud,
    account: account::Deps,
    identity: identity_session::Deps,
    aal2: aal2_challenge::Deps,
    queries: network_query::Deps,
    records: record_read::Deps,
    intake: webhook_intake::Deps,
    process: webhook_process::Deps,
    dispatch: query_dispatch::Deps,
    fetch: record_fetch::Deps,
}

impl<'a> Steps<'a> {
    /// Starts every function.
    ///
    /// # Errors
    /// Fails if a variable is missing.
    pub async fn new(init: &Init, cloud: &'a Cloud) -> Result<Self, Failed> {
        Ok(Self {
            cloud,
            account: account::Deps::read(init).await?,
            identity: identity_session::Deps::read(init).await?,
            aal2: aal2_challenge::Deps::read(init).await?,
            queries: network_query::Deps::read(init).await?,
            records: record_read::Deps::read(init).await?,
            intake: webhook_intake::Deps::read(init).await?,
            process: webhook_process::Deps::read(init)?,
            dispatch: query_dispatch::Deps::read(init).await?,
            fetch: record_fetch::Deps::read(init)?,
        })
    }

    /// Makes a call that must succeed; returns the messages that it sent.
    ///
    /// # Errors
    /// Fails if the call is refused.
    pub async fn call(&self, call: &Call) -> Result<Vec<Message>, Failed> {
        Ok(self.ask(call).await?.1)
    }

    /// Makes a call that must succeed; returns its reply, and the messages that it sent.
    ///
    /// # Errors
    /// Fails if the call is refused.
    pub async fn ask(&self, call: &Call) -> Result<(Value, Vec<Message>), Failed> {
        let request = call.request()?;
        let Ok(reply) = match call.route.split('/').nth(2) {
            Some("me") => account::handler::handle(&self.account, request).await,
            Some("aal2-challenges") => aal2_challenge::handler::handle(&self.aal2, request).await,
            Some("network-queries") => network_query::handler::handle(&self.queries, request).await,
            Some("records") => record_read::handler::handle(&self.records, request).await,
            Some("webhooks") => webhook_intake::handler::handle(&self.intake, request).await,
            _ => identity_session::handler::handle(&self.identity, request).await,
        };
        if !reply.status().is_success() {
            return Err(format!("{}: {} {:?}", call.route, reply.status(), reply.body()).into());
        }
        let body = serde_json::from_slice(reply.body().as_ref())?;
        Ok((body, self.cloud.take_sent()))
    }

    /// Delivers a message to its consumer, which must process it; returns the messages that the consumer sent.
    ///
    /// # Errors
    /// Fails if the message fails or becomes a dead letter.
    pub async fn deliver(&self, message: &Message) -> Result<Vec<Message>, Failed> {
        let event = serde_json::from_value(events::batch(&[message.value()?]))?;
        let Ok(reply) = match message.queue.as_str() {
            "webhook-events" => webhook_process::handler::handle(&self.process, event).await,
            "run-advance" => query_dispatch::handler::handle(&self.dispatch, event).await,
            _ => record_fetch::handler::handle(&self.fetch, event, Time::from_millis(i64::MAX)).await,
        };
        let sent = self.cloud.take_sent();
        if reply.batch_item_failures.is_empty() && sent.iter().all(|message| message.dead_letter_attribute.is_none()) {
            Ok(sent)
        } else {
            Err(format!("a message in {} was not processed: {}", message.queue, message.body).into())
        }
    }

    /// Delivers the last message that was sent to a queue.
    ///
    /// # Errors
    /// Fails if no message was sent there, or if the delivery fails.
    pub async fn go_on(&self, sent: &[Message], queue: &str) -> Result<Vec<Message>, Failed> {
        self.deliver(last(sent, queue)?).await
    }

    async fn webhook(&self, body: &Value) -> Result<Vec<Message>, Failed> {
        let queued = self.call(&Call::of_webhook(body.to_string().as_bytes())).await?;
        self.go_on(&queued, "webhook-events").await
    }

    /// Links a person to a patient, and verifies their identity by a webhook.
    ///
    /// # Errors
    /// Fails if a step does not succeed.
    pub async fn verify(&self, person: &Person) -> Result<(), Failed> {
        self.call(&Call::consent().by(person)).await?;
        for call in Call::of_identity_session() {
            self.call(&call.by(person).under_a_key()).await?;
        }
        self.webhook(&webhooks::identity_verified(person, "1")).await.map(drop)
    }

    /// Opens a challenge and asks for a pull; returns the messages that announce the pull.
    ///
    /// # Errors
    /// Fails if a step does not succeed.
    pub async fn pull(&self, person: &Person) -> Result<Vec<Message>, Failed> {
        self.call(&Call::challenge().by(person)).await?;
        self.call(&Call::pull().by(person).under_a_key()).await
    }

    /// Asks for a record, and delivers the webhook with the record's link.
    ///
    /// # Errors
    /// Fails if a step does not succeed.
    pub async fn offer(&self, person: &Person, link: &str) -> Result<Vec<Message>, Failed> {
        let request = self.call(&Call::whole_record().by(person)).await?;
        self.go_on(&request, "run-advance").await?;
        self.webhook(&webhooks::consolidated(person, "2", link)).await
    }
}

/// The last message that was sent to a queue.
///
/// # Errors
/// Fails if no message was sent to the queue.
pub fn last<'s>(sent: &'s [Message], queue: &str) -> Result<&'s Message, Failed> {
    let found = sent.iter().rev().find(|message| message.queue == queue);
    found.ok_or_else(|| format!("nothing was sent to {queue}").into())
}
