//! `account`: shows, takes and withdraws a person's consent, shows them their access log and their exports, and takes
//! their report of another person's record and their requests for exports and erasure.

pub mod erase;
pub mod export;
pub mod give;
pub mod handler;
pub mod log_request;
pub mod not_me;
pub mod read_log;
pub mod view;
pub mod withdraw;

use shared::clock::SystemClock;
use shared::config::{self, Env};
use shared::domain::assurance::Assurance;
use shared::domain::consent::ConsentRule;
use shared::edge::budget::{PersonBudget, TakeShare};
use shared::edge::init::{Init, InitError};
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms, Retention, StackName};
use shared::queue::{AccountWorkQueue, SendAccountWork};
use shared::records::{Bucket, MintExportLink};
use shared::seals::{ReadSeals, ReadShards, SealBucket};
use shared::store::{
    ListPulls, NoteHour, ReadErasure, ReadExport, ReadLog, ReadPull, ReadRecord, ReadRoot, ReportRecord,
    RequestErasure, RequestExport, Table, WithdrawConsent, WriteConsent,
};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadRoot + WriteConsent + WithdrawConsent
        + ReadRecord + ReadPull + ListPulls + ReportRecord
        + ReadLog + NoteHour + ReadSeals + ReadShards
        + RequestExport + ReadExport + MintExportLink
        + RequestErasure + ReadErasure + SendAccountWork
        + TakeShare
        + ConsentTerms + Retention + StackName + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    seals: SealBucket,
    budget: PersonBudget,
    work: AccountWorkQueue,
    bucket: Bucket,
    owner_key: OwnerKey,
    assurance: Assurance,
    consent_rule: ConsentRule,
    record_retention_days: u32,
    access_log_retention_days: u16,
    stack: String,
    clock: SystemClock,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasSeals: seals: SealBucket,
    HasBudget: budget: PersonBudget,
    HasAccountWork: work: AccountWorkQueue,
    HasBucket: bucket: Bucket,
    HasClock: clock: SystemClock,
    HasConsentRule: consent_rule: ConsentRule,
    HasRetention: record_retention_days: u32,
    HasStackName: stack: String,
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
        let table = init.logging_table()?;
        Ok(Self {
            budget: init.person_budget(&table)?,
            work: init.account_work_queue()?,
            bucket: init.bucket()?,
            table,
            seals: init.seals()?,
            owner_key: init.owner_key().await?,
            assurance: config::assurance(&init.env)?,
            consent_rule: config::consent_rule(&init.env)?,
            record_retention_days: config::record_retention_days(&init.env)?,
            access_log_retention_days: init.env.days("ACCESS_LOG_RETENTION_DAYS")?,
            stack: init.stack_name()?,
            clock: init.clock(),
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
