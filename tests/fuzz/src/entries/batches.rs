//! Fuzzes the real consumers of the queues with JSON that resembles an SQS batch.

use std::sync::Arc;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::json;
use shared::domain::Time;
use shared::message::dead_letter::DeadLetterReason;
use shared::message::webhook::WebhookEvent;
use shared::message::{AccountWork, Advance, FetchRecord, parse};
use shared::queue::SourceQueue;
use tokio::runtime::Runtime;

use super::dead_letters::{self, Came};
use super::runtime;
use super::stock::Stock;
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::cloud::Cloud;
use crate::world::events::record;
use crate::world::{Failed, World};

enum Function {
    Process(webhook_process::Deps),
    Dispatch(Box<query_dispatch::Deps>),
    Fetch(record_fetch::Deps),
    Work(Box<account_work::Deps>),
}

/// A consumer of a queue.
pub struct Batches {
    name: &'static str,
    function: Function,
    source: SourceQueue,
    stock: Stock,
    cloud: Arc<Cloud>,
    runtime: Runtime,
}

/// The consumers, by name.
pub const NAMES: [&str; 4] = ["webhook-process", "query-dispatch", "record-fetch", "account-work"];

impl Batches {
    /// Starts a consumer in its own [`World`].
    ///
    /// # Errors
    /// Fails if the world does not start.
    pub fn start(name: &'static str) -> Result<Self, Failed> {
        let runtime = runtime()?;
        let world = runtime.block_on(World::start())?;
        let init = {
            // The clients of a function belong to the runtime on which they are made.
            let _guard = runtime.enter();
            world.init()?
        };
        let (function, source, stock) = match name {
            "webhook-process" => (
                Function::Process(webhook_process::Deps::read(&init)?),
                SourceQueue::WebhookEvents,
                Stock::webhook_events()?,
            ),
            "query-dispatch" => (
                Function::Dispatch(Box::new(runtime.block_on(query_dispatch::Deps::read(&init))?)),
                SourceQueue::RunAdvance,
                Stock::of(&world.advances),
            ),
            "account-work" => (
                Function::Work(Box::new(runtime.block_on(account_work::Deps::read(&init))?)),
                SourceQueue::AccountWork,
                Stock::of(&world.account_work),
            ),
            _ => (
                Function::Fetch(record_fetch::Deps::read(&init)?),
                SourceQueue::RecordFetch,
                Stock::of(&world.fetches),
            ),
        };
        Ok(Self {
            name,
            function,
            source,
            stock,
            cloud: world.cloud,
            runtime,
        })
    }

    /// The reason for which the consumer cannot read a body.
    fn refusal(&self, body: &str) -> Option<DeadLetterReason> {
        let read = match self.function {
            Function::Process(_) => parse::<WebhookEvent>(body).map(drop),
            Function::Dispatch(_) => parse::<Advance>(body).map(drop),
            Function::Fetch(_) => parse::<FetchRecord>(body).map(drop),
            Function::Work(_) => parse::<AccountWork>(body).map(drop),
        };
        read.err().map(DeadLetterReason::from)
    }

    fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let end = Time::from_millis(i64::MAX);
        let Ok(reply) = self.runtime.block_on(async {
            match &self.function {
                Function::Process(deps) => webhook_process::handler::handle(deps, event).await,
                Function::Dispatch(deps) => query_dispatch::handler::handle(deps, event).await,
                Function::Fetch(deps) => record_fetch::handler::handle(deps, event, end).await,
                Function::Work(deps) => account_work::handler::handle(deps, event, end).await,
            }
        });
        reply
    }
}

impl Entry for Batches {
    fn name(&self) -> &'static str {
        self.name
    }

    fn generate(&self, chance: &mut Chance) -> Vec<u8> {
        let count = chance.pick([1, 1, 1, 2, 4]);
        let bodies = (0..count).map(|_| {
            let body = if chance.one_in(3) {
                self.stock.message(chance)
            } else {
                self.stock.readable(chance)
            };
            String::from_utf8_lossy(&body).into_owned()
        });
        let records: Vec<_> = bodies.enumerate().map(|(index, body)| record(index, &body)).collect();
        let event = json!({ "Records": records });
        match chance.below(10) {
            0 => mutate::document(event, chance),
            _ => event.to_string().into_bytes(),
        }
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        // SQS itself writes the batch around the messages, so a message cannot make the batch unreadable.
        let Ok(event) = serde_json::from_slice::<SqsEvent>(input) else {
            return Ok("not a batch");
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let came: Vec<_> = event
            .records
            .iter()
            .map(|message| {
                let (id, body) = (text(&message.message_id), text(&message.body));
                let refusal = self.refusal(&body);
                Came { id, body, refusal }
            })
            .collect();
        // For one batch in eight, the dead-letter queue refuses messages. The choice follows from the batch, so that a
        // finding can be repeated.
        let keeps = !Chance::of_bytes(input).one_in(8);
        self.cloud.take_sent();
        self.cloud.refuse_dead_letters(!keeps);
        let reply = self.handle(event);
        let failed = reply
            .batch_item_failures
            .into_iter()
            .map(|f| f.item_identifier)
            .collect();
        let (dead_letters, sent): (Vec<_>, Vec<_>) = self
            .cloud
            .take_sent()
            .into_iter()
            .partition(|message| message.dead_letter_attribute.is_some());
        dead_letters::judge_sent(&sent)?;
        if keeps {
            dead_letters::judge_dead_letters(self.source, &came, &failed, dead_letters)
        } else {
            dead_letters::judge_redeliveries(&came, &failed)
        }
    }
}
