//! `reconcile`: every minute, sends again what is overdue. Work whose message was lost, or whose wait was too long for a
//! queue, is found here by its due time; the message it gets is the same as any other, so that sending it once too often
//! does nothing.

pub mod tick;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::Value;
use shared::clock;
use shared::config::Env;
use shared::domain::Timing;
use shared::init::{Init, InitError};
use shared::queue::AdvanceQueue;
use shared::store::Table;

/// What the function works with.
pub struct Deps {
    table: Table,
    advances: AdvanceQueue,
    timing: Timing,
}

impl Deps {
    fn read(init: &Init) -> Result<Self, InitError> {
        Ok(Self {
            table: init.table()?,
            advances: init.advance_queue()?,
            timing: init.deployment.timing,
        })
    }
}

/// Runs the function until its environment ends.
///
/// # Errors
/// When it cannot start, or the runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_runtime::Error> {
    let deps = Deps::read(&Init::read(env, module_path!())?)?;
    let handle = async |_: LambdaEvent<Value>| -> Result<Value, lambda_runtime::Error> {
        let sent = tick::tick(&deps.table, &deps.advances, clock::now(), deps.timing).await?;
        Ok(serde_json::json!({ "sent": sent }))
    };
    lambda_runtime::run(service_fn(handle)).await
}
