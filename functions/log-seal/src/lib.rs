//! `log-seal`: seals each day of the access log after its end.
//!
//! A seal is the signed root of a tree over all persons' entries of the day, with the hash of the seal before. The
//! function reads keys and leaves of entries, but no entry and nothing else of a person. It runs more often than once a
//! day, so that it soon repeats a failed attempt (decision 0030).

pub mod seal;

use lambda_runtime::{LambdaEvent, service_fn};
use serde_json::{Value, json};
use shared::Error;
use shared::clock::SystemClock;
use shared::config::Env;
use shared::edge::init::{Init, InitError};
use shared::metrics::Metrics;
use shared::ports::{Clock, StackName};
use shared::seals::{PutSeals, ReadSeals, SealBucket, SealKey, SignSeal};
use shared::store::{ReadLogDays, Table};

shared::ports! {
    /// The ports that the steps use.
    pub trait Ports = ReadLogDays + ReadSeals + PutSeals + SignSeal + StackName + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    table: Table,
    seals: SealBucket,
    key: SealKey,
    stack: String,
    clock: SystemClock,
    metrics: Metrics,
}

shared::holds!(Deps {
    HasStore: table: Table,
    HasSeals: seals: SealBucket,
    HasSealKey: key: SealKey,
    HasClock: clock: SystemClock,
    HasStackName: stack: String,
});

impl Deps {
    /// The adapters as `Ports`, so that a step can use nothing else.
    fn io(&self) -> &impl Ports {
        self
    }

    fn read(init: &Init) -> Result<Self, InitError> {
        Ok(Self {
            table: init.table()?,
            seals: init.seals()?,
            key: init.seal_key()?,
            stack: init.stack_name()?,
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
    let deps = Deps::read(&Init::read(env, module_path!())?).map_err(InitError::log_and_return)?;
    // Boxed, because the compiler limits the depth of nested futures.
    let handle =
        async |_: LambdaEvent<Value>| -> Result<Value, lambda_runtime::Error> { Ok(Box::pin(run(&deps)).await?) };
    lambda_runtime::run(service_fn(handle)).await
}

async fn run(deps: &Deps) -> Result<Value, Error> {
    let sealed = seal::seal_days(deps.io(), &deps.metrics).await;
    let sealed =
        sealed.inspect_err(|error| tracing::error!(context = %error, "a day of the access log was not sealed"))?;
    Ok(json!({ "sealed": sealed }))
}
