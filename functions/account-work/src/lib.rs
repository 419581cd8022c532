//! `account-work`: erases persons, writes exports of everything that is stored about a person, and deletes records
//! whose retention has ended. Only this function may delete what is stored about a person, except locks.
//!
//! A message names an erasure, an export, or a person whose records [`check_records`] checks. An erasure stores its
//! stage and an export its next part, so a worker can die between any two calls, and another one goes on after the
//! lease, when `reconcile` sends the message again. A check starts again an hour after its claim. Two workers on one
//! erasure cannot count a deletion twice, because each write requires the version that was read.

pub mod check_records;
pub mod erase;
pub mod export;
pub mod handler;
mod objects;
mod remaining;

use std::time::Duration;

use lambda_runtime::{LambdaEvent, service_fn};
use shared::clock::{self, SystemClock};
use shared::config::{self, Env};
use shared::domain::Time;
use shared::domain::consent::ConsentRule;
use shared::edge::budget::{DeleteInTurn, PauseCalls, RateBudget};
use shared::edge::init::{BACKGROUND, Init, InitError};
use shared::metrics::Metrics;
use shared::metriport::{Client, DeletePatient};
use shared::ports::{Clock, ConsentTerms, Retention, StackName};
use shared::queue::{DeadLetterQueue, SourceQueue};
use shared::records::{Bucket, EraseObjects, ListObjects, PutExport};
use shared::seals::{ReadSeals, ReadShards, SealBucket, SealKey, SignSeal};
use shared::store::{
    EndRecords, EraseItems, ReadErasure, ReadExport, ReadLog, ReadPatient, ReadRetention, ReadRoot, ReadStates, Table,
    WithdrawConsent, WriteErasure, WriteExport,
};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadErasure + WriteErasure + EraseItems + ReadRoot + ReadPatient + WithdrawConsent
        + ReadExport + WriteExport + ReadStates + ReadLog + ReadSeals + ReadShards
        + ReadRetention + EndRecords + ListObjects + EraseObjects + PutExport
        + DeletePatient + DeleteInTurn + PauseCalls + SignSeal + StackName + LogRetention
        + ConsentTerms + Retention + Clock;
}

/// Time that must be left before a step begins. A step deletes at most 200 entries of the bucket.
const STEP_MAX: Duration = Duration::from_secs(60);

/// How long the logs are kept.
pub trait LogRetention {
    /// `ACCESS_LOG_RETENTION_DAYS`.
    fn access_log_days(&self) -> u16;
    /// `LOG_RETENTION_DAYS`.
    fn log_days(&self) -> u16;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    bucket: Bucket,
    seals: SealBucket,
    metriport: Client,
    budget: RateBudget,
    key: SealKey,
    dead_letters: DeadLetterQueue,
    stack: String,
    consent_rule: ConsentRule,
    record_retention_days: u32,
    access_log_days: u16,
    log_days: u16,
    clock: SystemClock,
    metrics: Metrics,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasBucket: bucket: Bucket,
    HasSeals: seals: SealBucket,
    HasUpstream: metriport: Client,
    HasBudget: budget: RateBudget,
    HasSealKey: key: SealKey,
    HasClock: clock: SystemClock,
    HasStackName: stack: String,
    HasConsentRule: consent_rule: ConsentRule,
    HasRetention: record_retention_days: u32,
});

impl LogRetention for Deps {
    fn access_log_days(&self) -> u16 {
        self.access_log_days
    }

    fn log_days(&self) -> u16 {
        self.log_days
    }
}

impl Deps {
    /// The adapters as `Ports`, so that a step can use nothing else.
    fn io(&self) -> &impl Ports {
        self
    }

    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// Fails if a variable or secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let table = init.logging_table()?;
        Ok(Self {
            budget: init.rate_budget(&table)?,
            table,
            bucket: init.bucket()?,
            seals: init.seals()?,
            metriport: init.metriport(BACKGROUND).await?,
            key: init.seal_key()?,
            dead_letters: init.dead_letters(SourceQueue::AccountWork)?,
            stack: init.stack_name()?,
            consent_rule: config::consent_rule(&init.env)?,
            record_retention_days: config::record_retention_days(&init.env)?,
            access_log_days: init.env.days("ACCESS_LOG_RETENTION_DAYS")?,
            log_days: init.env.days("LOG_RETENTION_DAYS")?,
            clock: init.clock(),
            metrics: init.metrics.clone(),
        })
    }
}

/// Runs the function until Lambda ends its environment.
///
/// # Errors
/// Fails if the initialisation or the Lambda runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_runtime::Error> {
    let deps = Deps::read(&Init::read(env, module_path!())?)
        .await
        .map_err(InitError::log_and_return)?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<_>| {
        let end = i64::try_from(event.context.deadline).map_or(clock::now(), Time::from_millis);
        handler::handle(&deps, event.payload, end).await
    }))
    .await
}
