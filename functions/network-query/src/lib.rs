//! `network-query`: accepts a pull and shows its state. `query-dispatch` starts the pull.

pub mod accept;
pub mod ask_body;
pub mod handler;
pub mod view;

use shared::clock::SystemClock;
use shared::config::{self, Env};
use shared::domain::assurance::Assurance;
use shared::domain::consent::ConsentRule;
use shared::edge::budget::{CallerBudget, PlanStart, TakeShare};
use shared::edge::init::{Init, InitError};
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms};
use shared::queue::{AdvanceQueue, SendAdvance};
use shared::store::{AcceptPull, ListPulls, ReadChallenge, ReadPerson, ReadPull, ReadRoot, Table};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadPerson + ReadRoot + ReadChallenge + ReadPull + ListPulls + AcceptPull
        + SendAdvance
        + TakeShare + PlanStart
        + ConsentTerms + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    advances: AdvanceQueue,
    owner_key: OwnerKey,
    assurance: Assurance,
    clock: SystemClock,
    budget: CallerBudget,
    consent_rule: ConsentRule,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasAdvances: advances: AdvanceQueue,
    HasBudget: budget: CallerBudget,
    HasClock: clock: SystemClock,
    HasConsentRule: consent_rule: ConsentRule,
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
        let (table, advances) = (init.logging_table()?, init.advance_queue()?);
        Ok(Self {
            budget: init.caller_budget(&table)?,
            table,
            advances,
            owner_key: init.owner_key().await?,
            assurance: config::assurance(&init.env)?,
            clock: init.clock(),
            consent_rule: config::consent_rule(&init.env)?,
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
