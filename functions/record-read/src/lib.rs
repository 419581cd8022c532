//! `record-read`: lists records, makes a link per request, and asks for other forms.

pub mod handler;
pub mod request;
pub mod view;

use shared::clock::SystemClock;
use shared::config::{self, Env};
use shared::domain::assurance::Assurance;
use shared::domain::consent::ConsentRule;
use shared::edge::budget::{MintEntry, PersonBudget, TakeShare};
use shared::edge::init::{Init, InitError};
use shared::metrics::Metrics;
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms, Retention};
use shared::queue::{AdvanceQueue, SendAdvance};
use shared::records::{Bucket, MintLink};
use shared::store::{CreateRecord, ListRecords, NoteHour, ReadPerson, ReadRecord, ReadRoot, Table};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadPerson + ReadRoot + ReadRecord + ListRecords + CreateRecord + NoteHour
        + MintEntry + MintLink
        + TakeShare
        + SendAdvance
        + ConsentTerms + Retention + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    bucket: Bucket,
    advances: AdvanceQueue,
    owner_key: OwnerKey,
    assurance: Assurance,
    clock: SystemClock,
    budget: PersonBudget,
    consent_rule: ConsentRule,
    record_retention_days: u32,
    metrics: Metrics,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasBucket: bucket: Bucket,
    HasAdvances: advances: AdvanceQueue,
    HasBudget: budget: PersonBudget,
    HasClock: clock: SystemClock,
    HasConsentRule: consent_rule: ConsentRule,
    HasRetention: record_retention_days: u32,
});

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
        let (table, bucket, advances) = (init.logging_table()?, init.bucket()?, init.advance_queue()?);
        let owner_key = init.owner_key().await?;
        Ok(Self {
            budget: init.person_budget(&table)?,
            table,
            bucket,
            advances,
            owner_key,
            assurance: config::assurance(&init.env)?,
            clock: init.clock(),
            consent_rule: config::consent_rule(&init.env)?,
            record_retention_days: config::record_retention_days(&init.env)?,
            metrics: init.metrics.clone(),
        })
    }
}

/// Runs the function until Lambda ends its environment.
///
/// # Errors
/// Fails if the initialisation or the Lambda runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_http::Error> {
    let init = Init::read(env, module_path!())?;
    let deps = Deps::read(&init).await.map_err(InitError::log_and_return)?;
    shared::edge::http::serve(async |request| handler::handle(&deps, request).await).await
}
