//! `webhook-intake`: verifies Metriport's webhooks, answers its pings, and queues each event before it answers 200.
//!
//! Metriport delivers a webhook once, waits at most four seconds (two for a ping) and retries only on request
//! (docs.metriport.com, page `getting-started/webhooks`). A 200 therefore means that the event is durable, and this
//! function does nothing that could take long.

pub mod handler;
pub mod intake;
pub mod keys;

use shared::clock::SystemClock;
use shared::config::Env;
use shared::domain::Time;
use shared::edge::init::{Init, InitError};
use shared::metrics::Metrics;
use shared::ports::Clock;
use shared::queue::{SendWebhookEvent, WebhookEventQueue};
use shared::webhook::{SignatureError, UnverifiedWebhook, VerifiedWebhook};

use keys::{KeyRing, VerifyKeys};

shared::ports! {
    /// The ports that the step uses.
    pub trait Ports = VerifyKeys + SendWebhookEvent + Clock;
}

/// The adapters and the configuration of the function.
pub struct Deps {
    keys: KeyRing,
    queue: WebhookEventQueue,
    clock: SystemClock,
    metrics: Metrics,
}

shared::holds!(Deps {
    HasWebhookEvents: queue: WebhookEventQueue,
    HasClock: clock: SystemClock,
});

impl VerifyKeys for Deps {
    async fn verify<'a>(
        &self,
        webhook: UnverifiedWebhook<'a>,
        now: Time,
    ) -> Result<VerifiedWebhook<'a>, SignatureError> {
        self.keys.verify(webhook, now).await
    }
}

impl Deps {
    /// Reads the configuration and makes the clients.
    ///
    /// # Errors
    /// Fails if a variable or secret is missing or malformed.
    pub async fn read(init: &Init) -> Result<Self, InitError> {
        let (env, clock) = (init.env.clone(), init.clock());
        Ok(Self {
            keys: KeyRing::load(init.secrets(), env, clock.timing(), clock.now())
                .await?
                .with_metrics(init.metrics.clone()),
            queue: init.webhook_event_queue()?,
            clock,
            metrics: init.metrics.clone(),
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
