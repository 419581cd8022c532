//! `reconcile`: sends overdue work again every minute, and from time to time asks Metriport to replay failed webhooks.
//!
//! Overdue work is a pull or record whose due time has passed, and which no message has advanced. Either its message
//! was lost, or its wait was longer than SQS can delay a message. `reconcile` finds such work in the due index, and
//! sends an `advance` message with the stored `dueSeq`. If an earlier message does the work first, this message is
//! stale.
//!
//! Metriport retries a webhook only on request.
//!
//! Only an operator can end a quarantine, by its deadline. `reconcile` counts active and overdue ones for two alarms.
//!
//! An erasure that waits, or whose worker died, is continued by `account-work` when its due time has passed. So are
//! exports, and the checks of persons' records, whose retention may have ended.

mod account_work;
mod erasures;
mod quarantines;
mod replay;
mod tick;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::Error;
use shared::clock::SystemClock;
use shared::config::Env;
use shared::edge::budget::{CountCall, DayBudget};
use shared::edge::init::{BACKGROUND, Init, InitError};
use shared::metrics::Metrics;
use shared::metriport::{Client, WebhookReplay};
use shared::ports::Clock;
use shared::queue::{AccountWorkQueue, AdvanceQueue, SendAccountWork, SendAdvance};
use shared::store::{CountQuarantines, KeepReplays, ReadDue, ReadDueAccountWork, ReadUnfinishedErasures, Table};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadDue + ReadDueAccountWork + ReadUnfinishedErasures + CountQuarantines + KeepReplays
        + SendAdvance + SendAccountWork + WebhookReplay + CountCall + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    advances: AdvanceQueue,
    account_work: AccountWorkQueue,
    metriport: Client,
    clock: SystemClock,
    day: DayBudget,
    metrics: Metrics,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasAdvances: advances: AdvanceQueue,
    HasAccountWork: account_work: AccountWorkQueue,
    HasUpstream: metriport: Client,
    HasBudget: day: DayBudget,
    HasClock: clock: SystemClock,
});

impl Deps {
    async fn read(init: &Init) -> Result<Self, InitError> {
        let table = init.table()?;
        Ok(Self {
            day: init.day_budget(&table)?,
            table,
            advances: init.advance_queue()?,
            account_work: init.account_work_queue()?,
            metriport: init.metriport(BACKGROUND).await?,
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
    let handle = async |_: LambdaEvent<Value>| -> Result<Value, lambda_runtime::Error> { Ok(tick(&deps).await?) };
    lambda_runtime::run(service_fn(handle)).await
}

async fn tick(deps: &Deps) -> Result<Value, Error> {
    let (sent, replayed) = once(deps, &deps.metrics).await?;
    Ok(json!({ "sent": sent, "replayed": replayed }))
}

/// Runs one tick, which is one invocation. Overdue work comes first, so that a failure of Metriport cannot delay it.
/// Returns the number of sent messages, and whether a replay was requested.
///
/// # Errors
/// Fails if overdue work cannot be sent, or quarantines, erasures or other account work cannot be read.
pub async fn once(io: &impl Ports, metrics: &Metrics) -> Result<(usize, bool), Error> {
    let now = io.now();
    let sent = tick::tick(io, metrics, now).await?;
    let counted = quarantines::count(io, metrics, now).await;
    let erasures = erasures::tick(io, metrics, now).await;
    let account_work = account_work::tick(io, now).await;
    let replayed = replay::replay(io, metrics, now).await;
    if let Err(error) = &replayed {
        tracing::warn!(context = %error, "failed webhook deliveries could not be checked");
    }
    // Last, so that it delays nothing. The alarm on this function's errors sees a failure.
    counted?;
    erasures?;
    account_work?;
    Ok((sent, replayed.unwrap_or(false)))
}
