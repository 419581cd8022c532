//! SQS batches: any JSON that could stand for one, into the real consumers.

use std::collections::BTreeSet;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use serde_json::{Value, json};
use shared::queue::{Advance, FetchRecord, parse};
use shared::webhook::WebhookEvent;
use tokio::runtime::Runtime;

use super::runtime;
use super::stock::Stock;
use crate::canary::CANARY;
use crate::chance::Chance;
use crate::mutate;
use crate::run::{Class, Entry};
use crate::world::events::record;
use crate::world::{Failed, World};

enum Function {
    Process(webhook_process::Deps),
    Dispatch(query_dispatch::Deps),
    Fetch(record_fetch::Deps),
}

/// A consumer of a queue.
pub struct Batches {
    name: &'static str,
    function: Function,
    stock: Stock,
    runtime: Runtime,
}

/// The consumers, by name.
pub const NAMES: [&str; 3] = ["webhook-process", "query-dispatch", "record-fetch"];

impl Batches {
    /// Starts a consumer in a world of its own.
    ///
    /// # Errors
    /// When the world does not start.
    pub fn start(name: &'static str) -> Result<Self, Failed> {
        let runtime = runtime()?;
        let world = runtime.block_on(World::start())?;
        let init = {
            // The clients of a function belong to the runtime they are made on.
            let _guard = runtime.enter();
            world.init()?
        };
        let (function, stock) = match name {
            "webhook-process" => (
                Function::Process(webhook_process::Deps::read(&init)?),
                Stock::webhook_events()?,
            ),
            "query-dispatch" => (
                Function::Dispatch(runtime.block_on(query_dispatch::Deps::read(&init))?),
                Stock::advances(&world.advance),
            ),
            _ => (
                Function::Fetch(record_fetch::Deps::read(&init)?),
                Stock::fetches(&world.advance),
            ),
        };
        Ok(Self {
            name,
            function,
            stock,
            runtime,
        })
    }

    fn reads(&self, body: &str) -> bool {
        match self.function {
            Function::Process(_) => parse::<WebhookEvent>(body).is_ok(),
            Function::Dispatch(_) => parse::<Advance>(body).is_ok(),
            Function::Fetch(_) => parse::<FetchRecord>(body).is_ok(),
        }
    }

    fn handle(&self, event: SqsEvent) -> SqsBatchResponse {
        let Ok(reply) = self.runtime.block_on(async {
            match &self.function {
                Function::Process(deps) => webhook_process::handler::handle(deps, event).await,
                Function::Dispatch(deps) => query_dispatch::handler::handle(deps, event).await,
                Function::Fetch(deps) => record_fetch::handler::handle(deps, event).await,
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
        let bodies = (0..count).map(|_| String::from_utf8_lossy(&self.stock.message(chance)).into_owned());
        let records: Vec<_> = bodies.enumerate().map(|(index, body)| record(index, &body)).collect();
        let event = json!({ "Records": records });
        match chance.below(10) {
            0 => mutate::document(event, chance),
            _ => event.to_string().into_bytes(),
        }
    }

    fn judge(&mut self, input: &[u8]) -> Result<Class, String> {
        // SQS writes the frame of a batch: what is in a message is a text in it, and cannot make it unreadable.
        let Ok(event) = serde_json::from_slice::<SqsEvent>(input) else {
            return Ok("no batch");
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let messages: Vec<_> = event
            .records
            .iter()
            .map(|m| (text(&m.message_id), text(&m.body)))
            .collect();
        let reply = self.handle(event);
        let failed: BTreeSet<_> = reply
            .batch_item_failures
            .iter()
            .map(|f| f.item_identifier.clone())
            .collect();
        for (id, body) in &messages {
            if !self.reads(body) && !failed.contains(id) {
                return Err("a message that cannot be read was taken for done".to_owned());
            }
        }
        if failed.iter().any(|id| messages.iter().all(|(own, _)| own != id)) {
            return Err("a message failed that was not in the batch".to_owned());
        }
        let frame = serde_json::to_value(&reply).unwrap_or(Value::Null).to_string();
        if frame.contains(CANARY) && !messages.iter().any(|(id, _)| id.contains(CANARY)) {
            return Err(format!("the reply repeats the input: {frame}"));
        }
        let readable = messages.iter().filter(|(_, body)| self.reads(body)).count();
        Ok(match (failed.is_empty(), readable == messages.len()) {
            (true, _) => "done",
            (false, true) => "read, and comes back",
            (false, false) => "unreadable, comes back",
        })
    }
}
