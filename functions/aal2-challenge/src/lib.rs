//! `aal2-challenge`: opens the hosted page on which the person passes a fresh second factor. A new challenge supersedes
//! the pending one. If the outcome of a call to Metriport is unknown, the person opens another challenge.

pub mod handler;
pub mod open;

use shared::clock::SystemClock;
use shared::config::{self, Env};
use shared::domain::assurance::Assurance;
use shared::domain::consent::ConsentRule;
use shared::edge::budget::{CallerBudget, PauseCalls, TakeTurn};
use shared::edge::init::{INTERACTIVE, Init, InitError};
use shared::metriport::{Client, OpenAal2Challenge};
use shared::owner::OwnerKey;
use shared::ports::{Clock, ConsentTerms};
use shared::store::{ReadChallenge, ReadIdentity, ReadPerson, ReadRoot, RejectIdentity, Table, WriteChallenge};

shared::ports! {
    /// The ports that the step uses.
    pub trait Ports = ReadPerson + ReadRoot + ReadIdentity + RejectIdentity + ReadChallenge + WriteChallenge
        + OpenAal2Challenge
        + TakeTurn + PauseCalls
        + ConsentTerms + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    metriport: Client,
    owner_key: OwnerKey,
    assurance: Assurance,
    clock: SystemClock,
    budget: CallerBudget,
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

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// Fails if a variable or secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let (metriport, owner_key) = tokio::try_join!(init.metriport(INTERACTIVE), init.owner_key())?;
        let redirects = init.env.list("REDIRECT_ALLOWLIST");
        let table = init.logging_table()?;
        Ok(Self {
            budget: init.caller_budget(&table)?,
            table,
            metriport,
            owner_key,
            assurance: config::assurance(&init.env)?,
            clock: init.clock(),
            consent_rule: config::consent_rule(&init.env)?,
            redirects,
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
