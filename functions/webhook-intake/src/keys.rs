//! The webhook keys, as they are now. Metriport makes a new key and uses it at once, so a signature that does not match
//! may mean that the stored keys were changed: they are read again, but not twice within thirty seconds, since
//! anybody can send a webhook with a wrong signature.

use std::time::Duration;

use aws_sdk_secretsmanager::Client;
use secrecy::ExposeSecret;
use shared::config::Env;
use shared::domain::Time;
use shared::init::InitError;
use shared::metrics::{KeysRead, Metric, Metrics};
use shared::secrets::{self, SecretError};
use shared::webhook::{SignatureError, UnverifiedWebhook, VerifiedWebhook, WebhookKeys};
use tokio::sync::Mutex;

const SECRET: &str = "WEBHOOK_KEYS_SECRET";
/// Shortest time between two reads of the secret.
const RELOAD_MS: i64 = 30_000;
/// How long a read may take while a webhook waits: Metriport gives up after four seconds.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(1);
/// Longest time that keys are used without being read again: a key that was taken out of use stops working.
const STALE_MS: i64 = 300_000;

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
    pub async fn load(client: Client, env: Env, now: Time) -> Result<Self, InitError> {
        let keys = read(&client, &env).await?;
        Ok(Self {
            client,
            env,
            metrics: Metrics::off(),
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
        if now.millis() - loaded.tried_at.millis() < RELOAD_MS {
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
        if now.millis() - loaded.read_at.millis() >= STALE_MS {
            self.reload(&mut loaded, now).await;
        }
        match webhook.verify(&loaded.keys) {
            Err(SignatureError::Mismatch) if self.reload(&mut loaded, now).await => {
                let verdict = webhook.verify(&loaded.keys);
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
    WebhookKeys::parse(secret.expose_secret()).map_err(|_holds_keys| SecretError {
        variable: SECRET,
        problem: "holds no current webhook key",
    })
}
