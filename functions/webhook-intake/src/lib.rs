//! `webhook-intake`: verifies Metriport's webhooks, answers its pings, and queues what they say before answering 200.
//!
//! Metriport delivers once, waits four seconds at most (two for a ping) and never retries by itself
//! (docs.metriport.com, page `getting-started/webhooks`). So a 200 means that the event is durable, and nothing is done
//! here that could take long.

pub mod handler;
pub mod intake;
pub mod keys;

use shared::config::Env;
use shared::init::{Init, InitError};
use shared::metrics::Metrics;
use shared::queue::WebhookEventQueue;

use keys::KeyRing;

/// What the function works with.
pub struct Deps {
    keys: KeyRing,
    queue: WebhookEventQueue,
    metrics: Metrics,
}

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// When a variable or a secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let (env, timing) = (init.env.clone(), init.deployment.timing);
        Ok(Self {
            keys: KeyRing::load(init.secrets(), env, timing, shared::clock::now())
                .await?
                .measured(init.metrics.clone()),
            queue: init.webhook_event_queue()?,
            metrics: init.metrics.clone(),
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
