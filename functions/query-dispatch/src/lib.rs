//! `query-dispatch`: does the due work of pulls and records. It starts and polls network queries, starts consolidated
//! queries, and expires work whose time is over.
//!
//! Retry contract:
//!
//! - A message has an effect only if its `dueSeq` is the stored one. The write that follows changes the stored number,
//!   so duplicates become stale.
//! - SQS redelivers a failed message alone. A message that cannot succeed becomes a dead letter.
//! - After a crash, `reconcile` finds the interrupted work by its due time. A start whose result is unknown is not
//!   repeated if it could then take effect twice.
//! - Two equal messages that are handled at the same moment can both read Metriport's status. They cannot both start a
//!   query, because a conditional write precedes each start.

pub mod handler;
mod pull;
mod record;

use lambda_runtime::{LambdaEvent, service_fn};
use shared::clock::SystemClock;
use shared::config::Env;
use shared::edge::budget::{CountCall, PauseCalls, RateBudget, StartInTurn};
use shared::edge::init::{BACKGROUND, Init, InitError};
use shared::metriport::{Client, ReadNetworkQuery, StartConsolidatedQuery, StartNetworkQuery};
use shared::ports::{Clock, NewIds, Stage};
use shared::queue::{AdvanceQueue, DeadLetterQueue, SendAdvance, SourceQueue};
use shared::store::{ReadChallenge, ReadIdentity, ReadPull, ReadRecord, RejectIdentity, Table, WritePull, WriteRecord};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadPull + WritePull + ReadRecord + WriteRecord + ReadChallenge + ReadIdentity + RejectIdentity
        + SendAdvance
        + StartNetworkQuery + ReadNetworkQuery + StartConsolidatedQuery
        + CountCall + StartInTurn + PauseCalls
        + Clock + NewIds + Stage;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    metriport: Client,
    advances: AdvanceQueue,
    dead_letters: DeadLetterQueue,
    clock: SystemClock,
    budget: RateBudget,
    stage: String,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasUpstream: metriport: Client,
    HasAdvances: advances: AdvanceQueue,
    HasBudget: budget: RateBudget,
    HasClock: clock: SystemClock,
});

impl Stage for Deps {
    fn stage(&self) -> &str {
        &self.stage
    }
}

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// Fails if a variable or secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let table = init.logging_table()?;
        Ok(Self {
            budget: init.rate_budget(&table)?,
            table,
            advances: init.advance_queue()?,
            dead_letters: init.dead_letters(SourceQueue::RunAdvance)?,
            metriport: init.metriport(BACKGROUND).await?,
            clock: init.clock(),
            stage: init.deployment.stage.clone(),
        })
    }
}

/// The outcome of a message, as a word for the log.
pub type DispatchOutcome = &'static str;

/// The message is about work that is already done or replaced.
const STALE: DispatchOutcome = "stale";
/// Nothing is due.
const NOTHING: DispatchOutcome = "nothing due";

/// Maximum number of attempts to write a result. An attempt fails if another process writes the same items.
const ATTEMPTS: u32 = 8;

/// Runs the function until Lambda ends its environment.
///
/// # Errors
/// Fails if the initialisation or the Lambda runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_runtime::Error> {
    let init = Init::read(env, module_path!())?;
    let deps = Deps::read(&init).await.map_err(InitError::log_and_return)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        handler::handle(&deps, event.payload).await
    }))
    .await
}
