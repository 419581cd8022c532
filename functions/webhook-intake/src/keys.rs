//! The webhook keys, as they are now. Metriport makes a new key and uses it at once, so a signature that does not match
//! may mean that the stored keys were changed: they are read again, but not twice within thirty seconds, since anybody
//! can send a webhook with a wrong signature. Without such cause they are read again after five minutes, so that a key
//! that was taken out of the secret stops counting. Keys that cannot be read again go on counting: that Secrets Manager
//! does not answer is no reason to refuse Metriport.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use secrecy::ExposeSecret;
use shared::config::Env;
use shared::domain::{Time, Timing};
use shared::edge::init::InitError;
use shared::metrics::{KeysRead, Metric, Metrics};
use shared::secrets::{self, SecretError};
use shared::webhook::{PreviousKey, SignatureError, UnverifiedWebhook, VerifiedWebhook, WebhookKeys};
use tokio::sync::Mutex;

const SECRET: &str = "WEBHOOK_KEYS_SECRET";
/// How long a read may take while a webhook waits: Metriport gives up after four seconds.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(1);

/// Verifies webhooks with the keys of the deployment.
pub trait VerifyKeys {
    /// Verifies one webhook.
    fn verify<'a>(
        &self,
        webhook: UnverifiedWebhook<'a>,
        now: Time,
    ) -> impl Future<Output = Result<VerifiedWebhook<'a>, SignatureError>> + Send;
}

/// The keys, and when they were read.
pub struct KeyRing {
    client: Client,
    env: Env,
    metrics: Metrics,
    timing: Timing,
    loaded: Mutex<Loaded>,
}

struct Loaded {
    keys: WebhookKeys,
    tried_at: Time,
    read_at: Time,
}

impl KeyRing {
    /// Reads the keys.
    ///
    /// # Errors
    /// When there are none.
    pub async fn load(client: Client, env: Env, timing: Timing, now: Time) -> Result<Self, InitError> {
        let keys = read(&client, &env).await?;
        Ok(Self {
            client,
            env,
            metrics: Metrics::off(),
            timing,
            loaded: Mutex::new(Loaded {
                keys,
                tried_at: now,
                read_at: now,
            }),
        })
    }

    /// Tells what came of reading them again.
    #[must_use]
    pub fn measured(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics;
        self
    }

    fn tell(&self, read: KeysRead) {
        self.metrics.put(&[Metric::webhook_keys_refetched(read)]);
    }

    async fn reload(&self, loaded: &mut Loaded, now: Time) -> bool {
        if loaded.tried_at.until(now) < self.timing.secret_gap() {
            return false;
        }
        loaded.tried_at = now;
        let too_slow = SecretError {
            variable: SECRET,
            problem: "was not read in time",
        };
        let reading = tokio::time::timeout(RELOAD_TIMEOUT, read(&self.client, &self.env));
        match reading.await.unwrap_or(Err(too_slow)) {
            Ok(keys) => {
                loaded.keys = keys;
                loaded.read_at = now;
                true
            }
            Err(error) => {
                self.tell(KeysRead::Failed);
                let context = error.to_string();
                tracing::error!(context, "the webhook keys could not be read again");
                false
            }
        }
    }
}

impl VerifyKeys for KeyRing {
    async fn verify<'a>(
        &self,
        webhook: UnverifiedWebhook<'a>,
        now: Time,
    ) -> Result<VerifiedWebhook<'a>, SignatureError> {
        let mut loaded = self.loaded.lock().await;
        if loaded.read_at.until(now) >= self.timing.webhook_keys_life() {
            self.reload(&mut loaded, now).await;
        }
        match webhook.verify(&loaded.keys, now) {
            Err(SignatureError::Mismatch) if self.reload(&mut loaded, now).await => {
                let verdict = webhook.verify(&loaded.keys, now);
                self.tell(match verdict {
                    Ok(_) => KeysRead::Matched,
                    Err(_) => KeysRead::Unmatched,
                });
                verdict
            }
            verdict => verdict,
        }
    }
}

async fn read(client: &Client, env: &Env) -> Result<WebhookKeys, SecretError> {
    let secret = secrets::text(client, env, SECRET).await?;
    let keys = WebhookKeys::parse(secret.expose_secret()).map_err(|error| SecretError {
        variable: SECRET,
        problem: error.as_str(),
    })?;
    if keys.previous() == PreviousKey::WithoutEnd {
        tracing::warn!("the previous webhook key has no end in the secret and does not count");
    }
    Ok(keys)
}
