//! `record-read`: lists records, mints a link per request, and asks for other forms.

pub mod handler;
pub mod request;
pub mod view;

use shared::config::Env;
use shared::domain::Timing;
use shared::init::{Init, InitError};
use shared::owner::OwnerKey;
use shared::queue::AdvanceQueue;
use shared::records::Bucket;
use shared::store::Table;

/// What the function works with.
pub struct Deps {
    table: Table,
    bucket: Bucket,
    advances: AdvanceQueue,
    owner_key: OwnerKey,
    timing: Timing,
}

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When a variable or a secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let (table, bucket, advances) = (init.table()?, init.bucket()?, init.advance_queue()?);
        let owner_key = init.owner_key().await?;
        Ok(Self {
            table,
            bucket,
            advances,
            owner_key,
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
