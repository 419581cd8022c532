//! `identity-session`: links the caller to a Metriport patient, opens the hosted IAL2 page, and shows the state of the
//! identity and the next action.

pub mod handler;
pub mod open;
pub mod patient;
pub mod standing;

use shared::clock::SystemClock;
use shared::config::{self, Env};
use shared::domain::FacilityId;
use shared::domain::assurance::Assurance;
use shared::domain::claims::ClaimRules;
use shared::domain::consent::ConsentRule;
use shared::domain::patient::LinkConflict;
use shared::edge::budget::{CallerBudget, CountCall, PauseCalls, TakeTurn};
use shared::edge::init::{INTERACTIVE, Init, InitError};
use shared::metrics::{Metric, Metrics};
use shared::metriport::{Client, CreatePatient, FindPatient, OpenIdentitySession, UpdatePatient};
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms, Pause, Stage};
use shared::store::{ReadIdentity, ReadPerson, ReadRoot, Table, WriteIdentity, WritePatient};

use patient::ReportConflict;

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadPerson + ReadRoot + WritePatient + ReadIdentity + WriteIdentity
        + FindPatient + CreatePatient + UpdatePatient + OpenIdentitySession
        + CountCall + TakeTurn + PauseCalls
        + ReportConflict + ConsentTerms + Clock + Pause + Stage;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    metriport: Client,
    owner_key: OwnerKey,
    assurance: Assurance,
    clock: SystemClock,
    budget: CallerBudget,
    metrics: Metrics,
    stage: String,
    facility: FacilityId,
    external_id_claim: String,
    claim_rules: ClaimRules,
    consent_rule: ConsentRule,
    redirects: Vec<String>,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasUpstream: metriport: Client,
    HasBudget: budget: CallerBudget,
    HasClock: clock: SystemClock,
    HasConsentRule: consent_rule: ConsentRule,
});

impl Stage for Deps {
    fn stage(&self) -> &str {
        &self.stage
    }
}

impl ReportConflict for Deps {
    fn report_conflict(&self, conflict: LinkConflict) {
        self.metrics.put(&[Metric::link_refused(conflict)]);
        tracing::warn!(why = conflict.as_str(), "patient link refused");
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
        let (metriport, owner_key) = tokio::try_join!(init.metriport(INTERACTIVE), init.owner_key())?;
        let table = init.logging_table()?;
        Ok(Self {
            budget: init.caller_budget(&table)?,
            table,
            metriport,
            owner_key,
            assurance: config::assurance(&init.env)?,
            clock: init.clock(),
            metrics: init.metrics.clone(),
            stage: init.deployment.stage.clone(),
            facility: init.facility()?,
            external_id_claim: init.env.required("EXTERNAL_ID_CLAIM")?.to_owned(),
            claim_rules: config::claim_rules(&init.env)?,
            consent_rule: config::consent_rule(&init.env)?,
            redirects: init.env.list("REDIRECT_ALLOWLIST"),
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
