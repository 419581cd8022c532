//! `reconcile`: every minute, sends again what is overdue, and now and then has Metriport send again what did not
//! arrive.
//!
//! Work whose message was lost, or whose wait was too long for a queue, is found by its due time; the message it gets
//! is the same as any other, so that sending it once too often does nothing. Metriport never retries a webhook by
//! itself.

pub mod replay;
pub mod tick;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::budget::DayBudget;
use shared::config::Env;
use shared::domain::Timing;
use shared::init::{BACKGROUND, Init, InitError};
use shared::metrics::Metrics;
use shared::metriport::Client;
use shared::queue::AdvanceQueue;
use shared::store::Table;
use shared::{Error, clock};

/// What the function works with.
pub struct Deps {
    table: Table,
    advances: AdvanceQueue,
    metriport: Client,
    timing: Timing,
    day: DayBudget,
    metrics: Metrics,
}

impl Deps {
    async fn read(init: &Init) -> Result<Self, InitError> {
        let table = init.table()?;
        Ok(Self {
            day: init.day_budget(&table)?,
            table,
            advances: init.advance_queue()?,
            metriport: init.metriport(BACKGROUND).await?,
            timing: init.deployment.timing,
            metrics: init.metrics.clone(),
        })
    }
}

/// Runs the function until its environment ends.
///
/// # Errors
/// When it cannot start, or the runtime fails.
pub async fn serve(env: Env) -> Result<(), lambda_runtime::Error> {
    let deps = Deps::read(&Init::read(env, module_path!())?)
        .await
        .map_err(InitError::told)?;
    let handle = async |_: LambdaEvent<Value>| -> Result<Value, lambda_runtime::Error> { Ok(tick(&deps).await?) };
    lambda_runtime::run(service_fn(handle)).await
}

/// One tick. What is overdue comes first; that Metriport cannot be asked must not keep it from being sent.
async fn tick(deps: &Deps) -> Result<Value, Error> {
    let (now, timing, metrics) = (clock::now(), deps.timing, &deps.metrics);
    let sent = tick::tick(&deps.table, &deps.advances, metrics, now, timing).await?;
    let replayed = replay::replay(&deps.table, &deps.metriport, &deps.day, metrics, now, timing).await;
    if let Err(error) = &replayed {
        tracing::warn!(context = %error, "failed deliveries could not be looked for");
    }
    Ok(json!({ "sent": sent, "replayed": replayed.unwrap_or(false) }))
}
