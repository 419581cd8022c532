//! `webhook-process`: correlates Metriport's events with persons, and applies them to identities, runs and records.
//!
//! Retry contract:
//!
//! - SQS redelivers a failed message alone after its visibility timeout, and makes it a dead letter after five
//!   receives.
//! - A message that cannot succeed becomes a dead letter at once, with its reason, and is acknowledged.
//! - An event that belongs to no known person or request is logged and acknowledged.
//! - Every effect is written together with the row that marks the message as seen, so a duplicate has no second effect.

mod consolidated;
pub mod handler;
mod identity;
pub mod outcome;
pub mod process;
mod source;

use lambda_runtime::{LambdaEvent, service_fn};
use shared::clock::SystemClock;
use shared::config::Env;
use shared::edge::init::{Init, InitError};
use shared::ports::{Clock, NewIds};
use shared::queue::{AdvanceQueue, DeadLetterQueue, FetchQueue, SendAdvance, SendFetch, SourceQueue};
use shared::store::{
    BindIdentity, Correlate, ReadIdentity, ReadPull, ReadRecord, RememberMessage, Table, WritePullOnce, WriteRecordOnce,
};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = Correlate + RememberMessage + ReadPull + WritePullOnce + ReadRecord + WriteRecordOnce
        + ReadIdentity + BindIdentity
        + SendAdvance + SendFetch
        + Clock + NewIds;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    advances: AdvanceQueue,
    fetches: FetchQueue,
    dead_letters: DeadLetterQueue,
    clock: SystemClock,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasAdvances: advances: AdvanceQueue,
    HasFetches: fetches: FetchQueue,
    HasClock: clock: SystemClock,
});

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// Fails if a variable or secret is missing or malformed.
    pub fn read(init: &Init) -> Result<Self, InitError> {
        let (advances, fetches) = (init.advance_queue()?, init.fetch_queue()?);
        Ok(Self {
            table: init.logging_table()?,
            advances,
            fetches,
            dead_letters: init.dead_letters(SourceQueue::WebhookEvents)?,
            clock: init.clock(),
        })
    }
}

/// Runs the function until Lambda ends its environment.
///
/// # Errors
/// Fails if the initialisation or the Lambda runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_runtime::Error> {
    let deps = Deps::read(&Init::read(env, module_path!())?).map_err(InitError::log_and_return)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        handler::handle(&deps, event.payload).await
    }))
    .await
}
