//! `webhook-process`: correlates what Metriport reported and advances the state.
//!
//! Retry contract: a message that failed and may succeed later comes back alone after its visibility timeout, and SQS
//! gives it up after five receives. One that cannot succeed is given up at once: it is kept as a dead letter, with its
//! reason, and done. What belongs to nobody we know is counted and done. Every effect is written together with the
//! row that says the message was seen, so a message that comes twice has one effect.

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
use shared::queue::{AdvanceQueue, DeadLetterQueue, FetchQueue, SendAdvance, SendFetch, Source};
use shared::store::{
    BindIdentity, Correlate, ReadIdentity, ReadRecord, ReadRun, RememberMessage, Table, WriteRecordOnce, WriteRunOnce,
};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = Correlate + RememberMessage + ReadRun + WriteRunOnce + ReadRecord + WriteRecordOnce
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
    /// When a variable or a secret is missing or malformed.
    pub fn read(init: &Init) -> Result<Self, InitError> {
        let (advances, fetches) = (init.advance_queue()?, init.fetch_queue()?);
        Ok(Self {
            table: init.table()?,
            advances,
            fetches,
            dead_letters: init.dead_letters(Source::WebhookEvents)?,
            clock: init.clock(),
        })
    }
}

/// Runs the function until its environment ends.
///
/// # Errors
/// When it cannot start, or the runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_runtime::Error> {
    let deps = Deps::read(&Init::read(env, module_path!())?).map_err(InitError::told)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        handler::handle(&deps, event.payload).await
    }))
    .await
}
