//! The current webhook keys. They are read again in two cases:
//!
//! - A signature does not match. The operator may have made a new key, which Metriport uses at once. Any client can
//!   send a wrong signature, so at least thirty seconds lie between two reads.
//! - Five minutes have passed, so that a key that was removed from the secret is no longer accepted.
//!
//! If the secret cannot be read again, the known keys stay valid: a failure of Secrets Manager must not make us refuse
//! Metriport's webhooks.

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
/// Timeout of a read while a webhook waits; Metriport gives up after four seconds.
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

/// The keys and the time of their last read.
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
    /// Fails if the secret cannot be read or holds no keys.
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

    /// Counts the outcomes of later reads.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Metrics) -> Self {
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
        // Set before the read, so that a failed read delays the next one, too.
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
        tracing::warn!("the previous webhook key has no previousUntil in the secret and is not accepted");
    }
    Ok(keys)
}
