//! `record-fetch`: streams one consolidated record into the bucket.
//!
//! Retry contract:
//!
//! - A message has an effect only if its `dueSeq` is the stored one. The claim changes the stored number, so a
//!   duplicate fetches nothing.
//! - A link that does not answer 200, or a transfer that breaks, is not retried here. The record waits again, and
//!   `query-dispatch` asks Metriport for a new link.
//! - A message that cannot succeed becomes a dead letter, without its link.

pub mod fetch;
pub mod handler;
pub mod quarantine;

use lambda_runtime::{LambdaEvent, service_fn};
use shared::clock::{self, SystemClock};
use shared::config::Env;
use shared::domain::Time;
use shared::edge::init::{Init, InitError};
use shared::ports::Clock;
use shared::queue::{AdvanceQueue, DeadLetterQueue, SendAdvance, SourceQueue};
use shared::records::{Bucket, LinkClient};
use shared::store::{ListPulls, ReadPatient, ReadPull, ReadRecord, ReadRoot, Table, WriteQuarantine, WriteRecord};

pub use crate::fetch::KeepObject;

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadRecord + ReadPatient + ReadRoot + WriteRecord + WriteQuarantine + ReadPull
        + ListPulls + SendAdvance + KeepObject + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    bucket: Bucket,
    links: LinkClient,
    advances: AdvanceQueue,
    dead_letters: DeadLetterQueue,
    clock: SystemClock,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasAdvances: advances: AdvanceQueue,
    HasClock: clock: SystemClock,
});

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// Fails if a variable or secret is missing or malformed.
    pub fn read(init: &Init) -> Result<Self, InitError> {
        Ok(Self {
            table: init.logging_table()?,
            bucket: init.bucket()?,
            links: init.link_client()?,
            advances: init.advance_queue()?,
            dead_letters: init.dead_letters(SourceQueue::RecordFetch)?,
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
        let end = i64::try_from(event.context.deadline).map_or(clock::now(), Time::from_millis);
        handler::handle(&deps, event.payload, end).await
    }))
    .await
}
