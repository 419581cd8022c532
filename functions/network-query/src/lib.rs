//! `network-query`: accepts a pull and shows where it stands. It starts nothing: that is `query-dispatch`'s work.

pub mod accept;
pub mod ask_body;
pub mod handler;
pub mod view;

use shared::budget::RateBudget;
use shared::config::Env;
use shared::domain::Timing;
use shared::init::{Init, InitError};
use shared::owner::OwnerKey;
use shared::queue::AdvanceQueue;
use shared::store::Table;

/// What the function works with.
pub struct Deps {
    table: Table,
    advances: AdvanceQueue,
    owner_key: OwnerKey,
    timing: Timing,
    budget: RateBudget,
}

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When a variable or a secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let (table, advances) = (init.table()?, init.advance_queue()?);
        Ok(Self {
            budget: init.rate_budget(&table)?,
            table,
            advances,
            owner_key: init.owner_key().await?,
            timing: init.deployment.timing,
        })
    }
}

/// Runs the function until its environment ends.
///
/// # Errors
/// When it cannot start, or the runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_http::Error> {
    let init = Init::read(env, module_path!())?;
    let deps = Deps::read(&init).await.map_err(InitError::told)?;
    shared::http::serve(async |request| handler::handle(&deps, request).await).await
}
