//! The steps that take people to where inputs find them. Each is made by the real function, and what that sends goes
//! on to the next.

use serde_json::Value;
use shared::domain::Time;
use shared::edge::init::Init;

use super::Failed;
use super::cloud::{Cloud, Message};
use super::events::{self, Call};
use super::people::Person;
use super::webhooks;

/// Every function, at work on the table.
pub struct Steps<'a> {
    cloud: &'a Cloud,
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
    /// Starts them all.
    ///
    /// # Errors
    /// When a variable is missing.
    pub async fn new(init: &Init, cloud: &'a Cloud) -> Result<Self, Failed> {
        Ok(Self {
            cloud,
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

    /// Makes a call that must succeed; what comes back was sent on.
    ///
    /// # Errors
    /// When it does not.
    pub async fn call(&self, call: &Call) -> Result<Vec<Message>, Failed> {
        let request = call.request()?;
        let Ok(reply) = match call.route.split('/').nth(2) {
            Some("aal2-challenges") => aal2_challenge::handler::handle(&self.aal2, request).await,
            Some("network-queries") => network_query::handler::handle(&self.queries, request).await,
            Some("records") => record_read::handler::handle(&self.records, request).await,
            Some("webhooks") => webhook_intake::handler::handle(&self.intake, request).await,
            _ => identity_session::handler::handle(&self.identity, request).await,
        };
        if !reply.status().is_success() {
            return Err(format!("{}: {} {:?}", call.route, reply.status(), reply.body()).into());
        }
        Ok(self.cloud.take_sent())
    }

    /// Hands a message to its consumer, which must be done with it; what comes back was sent on.
    ///
    /// # Errors
    /// When it is not.
    pub async fn deliver(&self, message: &Message) -> Result<Vec<Message>, Failed> {
        let event = serde_json::from_value(events::batch(&[message.value()?]))?;
        let Ok(reply) = match message.queue.as_str() {
            "webhook-events" => webhook_process::handler::handle(&self.process, event).await,
            "run-advance" => query_dispatch::handler::handle(&self.dispatch, event).await,
            _ => record_fetch::handler::handle(&self.fetch, event, Time::from_millis(i64::MAX)).await,
        };
        let sent = self.cloud.take_sent();
        if reply.batch_item_failures.is_empty() && sent.iter().all(|message| message.letter.is_none()) {
            Ok(sent)
        } else {
            Err(format!("{} is not done with {}", message.queue, message.body).into())
        }
    }

    /// Hands over what was sent to one queue, the last of it alone.
    ///
    /// # Errors
    /// When there was none, or it is not done.
    pub async fn go_on(&self, sent: &[Message], queue: &str) -> Result<Vec<Message>, Failed> {
        self.deliver(last(sent, queue)?).await
    }

    /// A webhook comes, and has its effect.
    async fn webhook(&self, body: &Value) -> Result<Vec<Message>, Failed> {
        let queued = self.call(&Call::of_webhook(body.to_string().as_bytes())).await?;
        self.go_on(&queued, "webhook-events").await
    }

    /// Linked, proofed, and known to be.
    ///
    /// # Errors
    /// When a step does not succeed, here and below.
    pub async fn verify(&self, person: &Person) -> Result<(), Failed> {
        for call in Call::of_identity_session() {
            self.call(&call.by(person).under_a_key()).await?;
        }
        self.webhook(&webhooks::identity_verified(person, "1")).await.map(drop)
    }

    /// A pull is accepted, and announced.
    ///
    /// # Errors
    /// As [`Steps::verify`].
    pub async fn pull(&self, person: &Person) -> Result<Vec<Message>, Failed> {
        self.call(&Call::challenge().by(person)).await?;
        self.call(&Call::pull().by(person).under_a_key()).await
    }

    /// A record is asked for, and waits behind a link.
    ///
    /// # Errors
    /// As [`Steps::verify`].
    pub async fn offer(&self, person: &Person, link: &str) -> Result<Vec<Message>, Failed> {
        let asked = self.call(&Call::whole_record().by(person)).await?;
        self.go_on(&asked, "run-advance").await?;
        self.webhook(&webhooks::consolidated(person, "2", link)).await
    }
}

/// The last message that was sent to a queue.
///
/// # Errors
/// When there is none.
pub fn last<'s>(sent: &'s [Message], queue: &str) -> Result<&'s Message, Failed> {
    let found = sent.iter().rev().find(|message| message.queue == queue);
    found.ok_or_else(|| format!("nothing was sent to {queue}").into())
}
